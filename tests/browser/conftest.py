"""A page with the fake engine, in a headless Chromium."""

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from core.fake import FakeEngine
from tests.serving import served

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome")
SWITCHES = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PATIENCE_MS = 20_000
expect.set_options(timeout=PATIENCE_MS)  # a busy machine is no failure


def chromium_path() -> str | None:
    """Chromium as the system has it."""
    return next(filter(None, map(shutil.which, CHROMIUMS)), None)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium as the system or Playwright has it; without one the test is skipped."""
    with sync_playwright() as playwright:
        found = chromium_path() or playwright.chromium.executable_path
        if not os.path.exists(found):
            pytest.skip(f"no Chromium: none of {', '.join(CHROMIUMS)} on the PATH, and Playwright has none of its own")
        chromium = playwright.chromium.launch(executable_path=found, args=list(SWITCHES))
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def shared_engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture(scope="session")
def address(browser: Browser, shared_engine: FakeEngine) -> Iterator[str]:
    """After `browser`: no server is started where there is none."""
    with served(shared_engine) as url:
        yield url


@pytest.fixture
def engine(shared_engine: FakeEngine) -> FakeEngine:
    """The engine behind the page, as it was at first."""
    shared_engine.asked.clear()
    shared_engine.delay_seconds, shared_engine.fail_after_tokens = 0.01, None
    return shared_engine


@pytest.fixture
def page(browser: Browser, address: str, engine: FakeEngine) -> Iterator[Page]:
    """An open page. A script error, a dialog, something its own policy forbids or a request to anywhere
    else fails the test."""
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    opened = context.new_page()
    opened.set_default_timeout(PATIENCE_MS)
    wrong: list[str] = []
    opened.on("pageerror", lambda error: wrong.append(f"script error: {error}"))
    opened.on("dialog", lambda dialog: (wrong.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    opened.on(
        "request",
        lambda request: None if request.url.startswith((address, "data:", "blob:")) else wrong.append(request.url),
    )
    opened.on("console", lambda said: wrong.append(said.text) if "Content Security" in said.text else None)
    opened.goto(address)
    opened.wait_for_selector("#box textarea")
    yield opened
    context.close()
    assert wrong == []
