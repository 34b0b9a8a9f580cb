"""The scan in one pass: the same spikes and overloads as step by step, on a processor and as torch's loop."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from canonic import CSS
from canonic.native import Given, css_scan
from canonic.native.compiled import loop
from canonic.native.rules import amplifying
from canonic.native.scan import native_scan
from canonic.neurons import lengthen, scan

needs_c = pytest.mark.skipif(not shutil.which(os.environ.get("CC", "cc")), reason="no C compiler: C is not tested")
needs_cpp = pytest.mark.skipif(not shutil.which("g++"), reason="no C++ compiler: torch cannot compile")

TYPES = [torch.float32, torch.bfloat16, torch.int8]


@st.composite
def populations(draw):
    """A code of ternary digits with beta = 2, where all arithmetic is exact, and terms of many sizes."""
    steps, silent = draw(st.integers(1, 6)), draw(st.integers(0, 3))
    return draw(given_to(CSS(steps, min(silent, steps), phi=draw(st.sampled_from([0.5, 0.625, 0.75])))))


@st.composite
def graded(draw):
    """The same with several levels, another radix, and maybe a ceiling."""
    steps, silent = draw(st.integers(1, 4)), draw(st.integers(0, 1))
    beta, levels = draw(st.sampled_from([(2.0, 2), (4.0, 16), (16.0, 64), (4.0, 127)]))
    code, own = draw(given_to(CSS(steps, min(silent, steps), beta, levels=levels)))
    ceiling = own["terms"][0][0, 0].abs() / 8 if not own["signed"] and draw(st.booleans()) else None
    return code, own | {"ceiling": ceiling}


@st.composite
def given_to(draw, code):
    """A code, and what its population is given: numbers whose sums are exact.

    ``Given`` is made of it outside: checked types draw random numbers of their own.
    """
    steps = code.steps
    rows, size = draw(st.integers(1, 9)), draw(st.sampled_from([1, 5, 16, 64, 131]))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**20)))
    whole = draw(st.booleans())

    def numbers(*shape):
        values = torch.randint(-40, 41, shape, generator=generator).float()
        return values if whole else values / 16

    terms, weights = [numbers(draw(st.integers(1, steps)), rows, size)], [None]
    if draw(st.booleans()):
        spikes = torch.randint(-1, 2, (draw(st.integers(1, steps)), rows, size), generator=generator)
        terms.append(spikes.to(draw(st.sampled_from(TYPES))))
        weights.append(numbers(size))
    start = numbers(size) if draw(st.booleans()) else None
    theta = torch.randint(1, 60, (size,), generator=generator).float() if whole else None
    spike, signed = draw(st.sampled_from(TYPES)), draw(st.booleans())
    return code, {"terms": terms, "weights": weights, "spike": spike, "signed": signed, "start": start, "theta": theta}


def by_steps(code, own):
    pairs = zip(own.terms, own.weights, strict=True)
    current = sum(lengthen(x.float() if w is None else w * x.float(), code.steps) for x, w in pairs)
    return scan(code, current, signed=own.signed, start=own.start, theta=own.theta, ceiling=own.ceiling)


@needs_c
@settings(max_examples=50)
@given(st.one_of(populations(), graded()), st.integers(1, 3), st.integers(1, 3))
def test_one_pass_fires_as_step_by_step_and_counts(case, samples, threads):
    code, own = case[0], Given(**case[1])
    neurons = own.terms[0][0].numel()
    own = replace(own, terms=[x.repeat(1, samples, 1) for x in own.terms], neurons=neurons)
    wanted, before = by_steps(code, own), torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        ours = css_scan(code, own)
    finally:
        torch.set_num_threads(before)
    assert ours.spikes.dtype == own.spike
    assert torch.equal(ours.spikes.float(), wanted.spikes)
    assert torch.equal(ours.overloads, wanted.overloads)
    require_counted(ours, samples)


def require_counted(did, samples):
    """What a program counted is what its spikes say."""
    spikes = did.spikes.float().view(len(did.spikes), samples, -1)
    assert did.fired.positive.tolist() == [int((digit > 0).sum()) for digit in spikes]
    assert did.fired.negative.tolist() == [int((digit < 0).sum()) for digit in spikes]
    assert did.fired.silent == int((spikes.abs().sum(0) == 0).sum())
    assert did.fired.units.tolist() == spikes.abs().sum((0, 1)).tolist()


@settings(max_examples=10)
@given(populations())
def test_uncounted_spikes_are_the_same(case):
    code, own = case[0], Given(**case[1])
    ours, wanted = css_scan(code, own), by_steps(code, own)
    assert ours.fired is None
    assert torch.equal(ours.spikes.float(), wanted.spikes)
    assert ours.overloads.sum() == 0


@given(st.one_of(populations(), graded()))
def test_the_loop_for_gpus_fires_as_step_by_step(case):
    code, own = case[0], Given(**{**case[1], "ceiling": None})
    spikes = torch.empty(code.steps, *own.terms[0].shape[1:])
    terms = list(zip(own.terms, own.weights, strict=True))
    loop(code, own.signed)(terms, own.start, own.theta, list(spikes.unbind(0)))
    assert torch.equal(spikes, by_steps(code, own).spikes)


COMPILED = """
import torch
from canonic import CSS
from canonic.native import Given
from canonic.native.compiled import compiled_scan
from canonic.neurons import scan
x, start = torch.randn(4, 6, 32), torch.randn(32)
for code in (CSS(2, 1), CSS(2, 0, 16.0, levels=64)):
    done = compiled_scan(code, Given([x[: code.steps]], [None], torch.int8, False, start))
    print(torch.equal(done.spikes.float(), scan(code, x[: code.steps], signed=False, start=start).spikes))
"""


@needs_cpp
def test_torch_compiles_the_loop():
    """In a process of its own: torch cannot compile functions whose types are checked."""
    environment = {**os.environ, "TORCHINDUCTOR_COMPILE_THREADS": "1"}  # no processes beside, each with torch
    done = subprocess.run([sys.executable, "-c", COMPILED], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.split() == ["True", "True"]


@needs_c
def test_the_c_program_runs_on_this_machine():
    """Else the tests above compare the reference with itself."""
    own = Given([torch.ones(8, 4, 16)], [None], torch.int8, signed=True, neurons=4 * 16)
    assert native_scan(amplifying(CSS(), own), own)


def test_doubles_and_other_codes_run_as_they_always_did():
    currents = torch.randn(4, 3, 5, dtype=torch.float64)
    code = CSS(4, 1, beta=1.5)
    done = css_scan(code, Given([currents], [None], torch.float64, signed=True))
    assert torch.equal(done.spikes, scan(code, currents, signed=True).spikes)


PROGRAM = """
import logging, sys, torch
logging.basicConfig(format="%(message)s", stream=sys.stdout)
from canonic import CSS
from canonic.native import Given, css_scan
from canonic.neurons import scan
for code in (CSS(4, 1), CSS(5, 1)):
    x = torch.randn(4, 8, 16)
    done = css_scan(code, Given([x], [None], torch.float32, signed=False))
    print(torch.equal(done.spikes, scan(code, x, signed=False).spikes))
"""


def run(folder, compiler):
    environment = {**os.environ, "CC": compiler, "XDG_CACHE_HOME": str(folder)}
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, env=environment)
    return done.stdout.splitlines()


def test_without_a_compiler_the_spikes_are_the_same_and_one_line_says_so(tmp_path):
    said = run(tmp_path, "no-such-compiler")
    assert len(said) == 3
    assert said[0].startswith("no C compiler for fast neurons (no-such-compiler: No such file")
    assert said[1:] == ["True", "True"]


def test_a_compiler_that_fails_is_quoted(tmp_path):
    said = run(tmp_path, "false")
    assert said[0].startswith("no C compiler for fast neurons (false: failed)")


@needs_c
def test_what_was_built_is_kept(tmp_path):
    assert run(tmp_path, os.environ.get("CC", "cc")) == ["True", "True"]
    assert len(list((tmp_path / "canonic").glob("scan-*.so"))) == 1  # for both codes
    assert run(tmp_path, "no-such-compiler") == ["True", "True"]


@pytest.mark.parametrize("fault", ["a folder that cannot be made"])
def test_a_cache_that_cannot_be_written(tmp_path, fault):
    place = tmp_path / "file"
    place.write_text(fault)
    said = run(place, os.environ.get("CC", "cc"))
    assert said[0].startswith("no C compiler for fast neurons")
    assert said[1:] == ["True", "True"]
