"""The report of resnet20 on all CIFAR-10 test pictures: ``make report``. Writes build/report/resnet20.html.

With ``--photograph`` the pictures of the README are made from that page, by a browser that is installed.
"""

import argparse
import io
import json
from dataclasses import asdict, replace
from pathlib import Path

from PIL import Image
from torch.utils.data import DataLoader

from benchmarks import cifar
from canonic import CSS, convert, evaluate
from canonic.datasets import labels_of, sample
from canonic.network.storage import write_whole
from canonic.report.explorer import explore
from canonic.report.page import report

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "build" / "report"
IMAGES = ROOT / "docs" / "images"
CHROMIUM = Path("/usr/bin/chromium")
PICTURES = 10
"""Test pictures that the explorer shows."""


def main() -> None:
    """Convert, measure and write the page, or photograph the one that is there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=10_000, help="to evaluate")
    parser.add_argument("--baselines", type=int, default=1000, help="pictures for other codes; 0 for none")
    parser.add_argument("--photograph", action="store_true", help="only make the pictures of the README")
    arguments = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    page = FOLDER / "resnet20.html"
    if arguments.photograph:
        photograph(page)
        return
    write_whole(page, made(arguments.pictures, arguments.baselines).encode())
    print(f"written to {page} ({page.stat().st_size / 1e6:.1f} MB): open it in a browser")


def made(pictures: int, baselines: int) -> str:
    """Return the report, and keep the network and the evaluation beside it."""
    calibration = DataLoader(sample(cifar.training_pictures(), 1000), batch_size=100)
    snn = convert(cifar.trained("resnet20"), calibration, code=CSS(steps=8, silent=1))
    snn = replace(snn, record={**snn.record, "preprocessing": asdict(cifar.PREPARE)})
    snn.save(FOLDER / "resnet20.safetensors")
    test = cifar.test_pictures()
    batches = DataLoader(sample(test, pictures), batch_size=100)
    evaluation = evaluate(snn, batches, baselines=baselines).to_json()
    write_whole(FOLDER / "resnet20.json", json.dumps(evaluation, indent=1).encode())
    verification = snn.verify(DataLoader(sample(test, 100), batch_size=100)).to_json()
    shown = sample(test, PICTURES)
    explorer = explore(snn, (shown[index] for index in range(PICTURES)), labels_of(test).names)
    return report(evaluation, verification, snn.describe(), explorer, "resnet20")


def photograph(page: Path) -> None:
    """Write the pictures of the README: the top of the page, and the explorer at a step at which layers fire."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        opened = browser.new_page(viewport={"width": 1180, "height": 800})
        opened.goto(page.as_uri())
        opened.wait_for_selector("html[data-ready]")
        small(opened.screenshot(), IMAGES / "report.png")
        opened.get_by_role("slider", name="Step").fill("22")
        opened.add_style_tag(content=".controls { position: static !important; } nav { display: none !important; }")
        small(opened.locator("#explorer").screenshot(), IMAGES / "report-explorer.png")
        browser.close()


def small(png: bytes, path: Path) -> None:
    """Write a picture with 256 colours, which is a third of its size."""
    buffer = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").quantize(256).save(buffer, "PNG", optimize=True)
    write_whole(path, buffer.getvalue())
    print(f"written to {path}")


if __name__ == "__main__":
    main()
