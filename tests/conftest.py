"""What all tests share: fixed seeds, one thread for each process, and the data beside the checkout."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import settings

from tests.commands import run

# Tests run in as many processes as there are cores: more threads than cores wait for each other.
os.environ["OMP_NUM_THREADS"] = "1"
torch.set_num_threads(1)

settings.register_profile("fixed", derandomize=True, deadline=None, max_examples=60)
settings.load_profile("fixed")

SHARED = Path(__file__).resolve().parents[2] / "shared"
CHROMIUM = Path("/usr/bin/chromium")


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def pytest_collectstart() -> None:
    """What a file draws when it is imported does not depend on the files before it."""
    torch.manual_seed(0)


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[object]) -> None:
    """What tests share does not depend on which of them is the first to ask for it."""
    if fixturedef.scope != "function":
        torch.manual_seed(0)


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Ctrl-C as a process on a terminal has it; what a test makes of it is undone."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def command():
    """Run ``canonic`` with arguments in a folder, within this process; return what it prints."""

    def run_in(folder, *arguments, code=0):
        done = run(folder, *arguments)
        assert done.returncode == code, done.stdout + done.stderr
        return done

    return run_in


@pytest.fixture(scope="session")
def shared() -> Path:
    if not SHARED.is_dir():
        pytest.skip(f"no trained networks and pictures: {SHARED} is missing")
    return SHARED


@pytest.fixture(scope="session")
def browser():
    """Debian's chromium, which is installed; none is downloaded."""
    driver = pytest.importorskip("playwright.sync_api", reason="no playwright: pages are not tested in a browser")
    if not CHROMIUM.exists():
        pytest.skip(f"no {CHROMIUM}: pages are not tested in a browser (apt-get install chromium)")
    (Path(__file__).resolve().parents[1] / "test-output").mkdir(exist_ok=True)
    with driver.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture
def opened(browser):
    """Open a page and return it once all is drawn; at the end it must have said and loaded nothing."""
    contexts, said, asked = [], [], []

    def open_page(address, *, width=1280, theme="light", **rest):
        context = browser.new_context(viewport={"width": width, "height": 860}, color_scheme=theme, **rest)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(address)
        page.wait_for_selector("html[data-ready]", timeout=60_000)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert said == []
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert len([url for url in asked if url.startswith("file:")]) == len(contexts)  # the page alone
