"""The gallery in a browser: it opens without a network and a complaint, and fits a desktop and a phone."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from steadygan.figures.gallery import Said, write_gallery

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")
CHROMIUM = Path("/usr/bin/chromium")
if not CHROMIUM.exists():
    pytest.skip(f"no browser at {CHROMIUM}: apt-get install chromium", allow_module_level=True)

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
PATIENCE = 120.0  # s: on a busy machine a page takes long
READY = "document.documentElement.dataset.ready === 'yes'"
DRAWN = "[...document.images].every(image => image.complete && image.naturalWidth > 0)"


def until(opened: Any, condition: str) -> None:
    """Waits from here: the page's own policy forbids it to evaluate strings."""
    end = time.monotonic() + PATIENCE
    while not opened.evaluate(condition):
        assert time.monotonic() < end, condition
        opened.wait_for_timeout(20)


def test_it_fits_a_desktop_and_a_phone(tmp_path: Path) -> None:
    for name in ("fargan-1", "zero-gp-2-small", "field"):
        Image.new("RGB", (1500, 500), (240, 240, 240)).save(tmp_path / f"{name}.png")
    path = write_gallery(tmp_path, {"fargan-1": [Said("a claim", 0.1, "reproduced", 3)]})
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
            until(opened, READY)
            until(opened, DRAWN)
            assert opened.evaluate("document.documentElement.scrollWidth") == width
            assert opened.locator(".drawn img").count() == 3
            tall = opened.evaluate("document.querySelector('.drawn img').getBoundingClientRect().height")
            assert tall > 250  # on a phone one moves along a figure that can still be read
            opened.locator("#theme").click()
            assert opened.evaluate("document.documentElement.dataset.theme") == "dark"
        browser.close()
    assert wrong == []
