"""The scan in one pass: the same spikes and overloads as step by step, on a processor and as torch's loop."""

import os
import shutil
import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from canonic import CSS
from canonic.native import fused_scan
from canonic.native.compiled import loop
from canonic.native.scan import native_scan
from canonic.neurons import lengthen, scan

needs_c = pytest.mark.skipif(not shutil.which(os.environ.get("CC", "cc")), reason="no C compiler: C is not tested")
needs_cpp = pytest.mark.skipif(not shutil.which("g++"), reason="no C++ compiler: torch cannot compile")

TYPES = [torch.float32, torch.bfloat16, torch.int8]


@st.composite
def populations(draw):
    """A code with beta = 2, where all arithmetic is exact, and terms of many sizes."""
    steps, silent = draw(st.integers(1, 6)), draw(st.integers(0, 3))
    code = CSS(steps, min(silent, steps), phi=draw(st.sampled_from([0.5, 0.625, 0.75])))
    rows, size = draw(st.integers(1, 9)), draw(st.sampled_from([1, 5, 16, 64, 131]))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**20)))
    whole = draw(st.booleans())

    def numbers(*shape):
        values = torch.randint(-40, 41, shape, generator=generator).float()
        return values if whole else values / 16

    terms = [(numbers(draw(st.integers(1, steps)), rows, size), None)]
    if draw(st.booleans()):
        spikes = torch.randint(-1, 2, (draw(st.integers(1, steps)), rows, size), generator=generator)
        terms.append((spikes.to(draw(st.sampled_from(TYPES))), numbers(size)))
    start = numbers(size) if draw(st.booleans()) else None
    theta = torch.randint(1, 60, (size,), generator=generator).float() if whole else None
    return code, terms, draw(st.booleans()), start, theta


def by_steps(code, terms, signed, start, theta):
    current = sum(lengthen(x.float() if w is None else w * x.float(), code.steps) for x, w in terms)
    return scan(code, current, signed=signed, start=start, theta=theta)


@settings(max_examples=40)
@given(populations(), st.sampled_from(TYPES))
def test_one_pass_fires_as_step_by_step(case, dtype):
    code, terms, signed, start, theta = case
    ours, wanted = fused_scan(code, terms, dtype, signed=signed, start=start, theta=theta), by_steps(*case)
    assert ours.spikes.dtype == dtype
    assert torch.equal(ours.spikes.float(), wanted.spikes)
    assert torch.equal(ours.overloads, wanted.overloads)


@needs_c
@settings(max_examples=40)
@given(populations(), st.sampled_from(TYPES), st.integers(1, 6), st.integers(1, 3))
def test_spikes_are_counted_in_passing(case, dtype, samples, threads):
    code, terms, signed, start, theta = case
    rows = terms[0][0].shape[1]
    terms = [(x.repeat(1, samples, 1), w) for x, w in terms]
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        ours = fused_scan(
            code, terms, dtype, signed=signed, start=start, theta=theta, neurons=rows * terms[0][0].shape[2]
        )
    finally:
        torch.set_num_threads(before)
    spikes = ours.spikes.float().view(code.steps, samples, -1)
    assert ours.fired.positive.tolist() == [int((digit == 1).sum()) for digit in spikes]
    assert ours.fired.negative.tolist() == [int((digit == -1).sum()) for digit in spikes]
    assert ours.fired.silent == int((spikes.abs().sum(0) == 0).sum())
    assert ours.fired.units.tolist() == spikes.abs().sum((0, 1)).tolist()


@given(populations())
def test_the_loop_for_gpus_fires_as_step_by_step(case):
    code, terms, signed, start, theta = case
    spikes = torch.empty(code.steps, *terms[0][0].shape[1:])
    loop(code, signed)(terms, start, theta, list(spikes.unbind(0)))
    assert torch.equal(spikes, by_steps(*case).spikes)


COMPILED = """
import torch
from canonic import CSS
from canonic.neurons import scan
from canonic.native.compiled import compiled_scan
code, x, start = CSS(4, 1), torch.randn(4, 6, 32), torch.randn(32)
done = compiled_scan(code, [(x, None)], torch.int8, False, start, None)
print(torch.equal(done.spikes.float(), scan(code, x, signed=False, start=start).spikes))
"""


@needs_cpp
def test_torch_compiles_the_loop():
    """In a process of its own: torch cannot compile functions whose types are checked."""
    done = subprocess.run([sys.executable, "-c", COMPILED], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"


@needs_c
def test_the_c_program_runs_on_this_machine():
    """Else the tests above compare the reference with itself."""
    assert native_scan(
        CSS(), [torch.ones(8, 4, 16)], [None], torch.int8, signed=True, start=None, theta=None, neurons=4 * 16
    )


def test_doubles_and_other_codes_run_as_they_always_did():
    currents = torch.randn(4, 3, 5, dtype=torch.float64)
    code = CSS(4, 1, beta=1.5)
    done = fused_scan(code, [(currents, None)], torch.float64, signed=True)
    assert torch.equal(done.spikes, scan(code, currents, signed=True).spikes)


PROGRAM = """
import logging, sys, torch
logging.basicConfig(format="%(message)s", stream=sys.stdout)
from canonic import CSS
from canonic.native import fused_scan
from canonic.neurons import scan
for code in (CSS(4, 1), CSS(5, 1)):
    x = torch.randn(4, 8, 16)
    done = fused_scan(code, [(x, None)], torch.float32, signed=False)
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
