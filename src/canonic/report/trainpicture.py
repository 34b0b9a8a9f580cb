"""A number in some codes as one picture: SVG, in light and dark."""

from collections.abc import Iterator, Sequence
from html import escape

from canonic.codes import Weighted
from canonic.report.trains import Sent, sent
from canonic.words import Number

NAMES, COLUMN, ROW, SPIKE = 232, 24, 66, 22
"""Pixels: of the names, of a step, of a code, and of the strongest spike."""

STYLE = """
text { font: 12px "Liberation Sans", Arial, sans-serif; fill: #565d6b } .name { font-weight: 600; fill: #14171c }
.right { text-anchor: end } .size { font-size: 10px; text-anchor: middle } .plus { fill: #0067a8 }
.minus { fill: #cc5200 } .worth { fill: #949cab; opacity: .35 } line, .hatch { stroke: #949cab; stroke-width: .8 }
@media (prefers-color-scheme: dark) {
text { fill: #a2a9b6 } .name { fill: #eceef2 } .plus { fill: #5db4ec } .minus { fill: #f59a45 } }"""

HATCH = (
    '<pattern id="listens" width="6" height="6" patternUnits="userSpaceOnUse">'
    '<path class="hatch" d="M-1 1 1 -1M0 6 6 0M5 7 7 5"/></pattern>'
)


def trains_picture(codes: Sequence[Weighted], number: float) -> str:
    """Return a number from -1 to 1 as some codes send it: an SVG picture, a row for each code.

    A bar is an event, as high as it is strong, below the line where it is negative; the shade behind it is the worth
    of its step, and hatched steps are silent.

    Raises:
        CanonicError: if it is no such number.
    """
    trains = [sent(code, number) for code in codes]
    columns = max(one.silent + len(one.train) for one in trains)
    width, height = NAMES + columns * COLUMN + 56, ROW * len(trains) + 20
    steps = (_text(NAMES + (step + 0.5) * COLUMN, height - 6, str(step + 1), "size") for step in range(columns))
    rows = (
        part for place, (code, one) in enumerate(zip(codes, trains, strict=True)) for part in _row(code, one, place)
    )
    body = "\n".join((f"<style>{STYLE}</style>", HATCH, *rows, *steps))
    title = f"<title>{number:g} as a train of spikes in {len(trains)} codes</title>"
    return f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">{title}\n{body}\n</svg>\n'


def _row(code: Weighted, one: Sent, place: int) -> Iterator[str]:
    base, left, end = ROW * place + 38, NAMES + one.silent * COLUMN, NAMES + (one.silent + len(one.train)) * COLUMN
    yield _text(0, base - 5, one.code, "name")
    for line, (letter, said) in enumerate(zip("wn" if not code.plain else "w", code.equations, strict=False)):
        yield _text(0, base + 12 + 15 * line, f"{letter} = {said}")
    yield f'<rect fill="url(#listens)" x="{NAMES}" y="{base - 26}" width="{one.silent * COLUMN}" height="48"/>'
    yield f'<line x1="{NAMES}" x2="{end}" y1="{base}" y2="{base}"/>'
    yield _text(end + 8, base + 4, f"{one.value:.4f}")
    most = max(1.0, *map(abs, one.train))
    for m, (digit, weight) in enumerate(zip(one.train, code.weights, strict=True)):
        high, worth, x = max(3.0, SPIKE * abs(digit) / most), SPIKE * weight / max(code.weights), left + m * COLUMN
        yield _bar("worth", x + 2, COLUMN - 4, base - worth, worth)
        if digit:
            yield _bar("plus" if digit > 0 else "minus", x + 7, COLUMN - 14, base - high * (digit > 0), high)
        if abs(digit) not in (0, 1):
            yield _text(x + COLUMN / 2, base - high - 3 if digit > 0 else base + high + 10, _size(digit), "size")


def _size(digit: float) -> str:
    return f"{abs(digit):g}" if abs(digit) > 1 else f"1/{1 / abs(digit):g}"


def _bar(kind: str, x: Number, width: Number, y: Number, height: Number) -> str:
    return f'<rect class="{kind}" x="{x:g}" width="{width:g}" y="{y:.1f}" height="{height:.1f}"/>'


def _text(x: Number, y: Number, text: str, kind: str = "") -> str:
    return f'<text x="{x:g}" y="{y:.1f}" class="{kind}">{escape(text)}</text>'
