"""The page in a browser: it opens without a network, and the portrait follows its sliders."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from steadygan import theory
from steadygan.theory import dirac, page

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")
CHROMIUM = Path("/usr/bin/chromium")
if not CHROMIUM.exists():
    pytest.skip(f"no browser at {CHROMIUM}: apt-get install chromium", allow_module_level=True)

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
PATIENCE = 120.0  # s: on a busy machine a page takes long


def until(opened: Any, condition: str) -> None:
    """Waits from here: the page's own policy forbids it to evaluate strings."""
    end = time.monotonic() + PATIENCE
    while not opened.evaluate(condition):
        assert time.monotonic() < end, condition
        opened.wait_for_timeout(20)


def test_the_portrait_follows_its_sliders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dirac, "PLAYED", ("nonsaturating",))
    monkeypatch.setattr(page, "courses", list)  # the engine's own runs, which the portrait compares with
    (path, *_) = theory.write(theory.check([page.PORTRAIT]), tmp_path / "new")
    wrong: list[str] = []
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        for width in (1280, 390):
            opened = browser.new_context(viewport={"width": width, "height": 900}).new_page()
            opened.set_default_timeout(1000 * PATIENCE)
            opened.on("pageerror", lambda error: wrong.append(str(error)))
            opened.on("console", lambda m: wrong.append(m.text) if m.type in ("error", "warning") else None)
            opened.on("request", lambda r: None if r.url.startswith(("file:", "data:")) else wrong.append(r.url))
            opened.goto(path.as_uri())
            until(opened, "document.documentElement.dataset.ready === 'yes'")
            assert opened.evaluate("document.documentElement.scrollWidth") == width
            words = opened.locator("#portrait-told")
            assert "0.9381, it contracts" in words.inner_text()  # sqrt(1 - 2 * 0.2 * 0.3)
            opened.locator("#penalty").select_option("none")
            assert "1.0000, it neither contracts nor grows" in words.inner_text()
            opened.locator("#steps").select_option("simultaneous")
            assert "1.0050, it diverges" in words.inner_text()  # sqrt(1 + (0.2 / 2)^2)
            opened.locator("#rate").fill("0.4")
            assert "1.0198, it diverges" in words.inner_text()
            opened.locator("#penalty").select_option("one_gp")
            assert "no place of rest" in words.inner_text()
        browser.close()
    assert wrong == []
