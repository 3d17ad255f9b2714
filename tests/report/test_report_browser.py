"""The page in a browser: it opens without a network and without a complaint, and its controls do what they say."""

import math
import re
import time
from pathlib import Path

import numpy as np
import pytest
from runs_made import grids, points, records, run

import steadygan as sg
from steadygan.reporting.quantities import KNOWN

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")
CHROMIUM = Path("/usr/bin/chromium")
if not CHROMIUM.exists():
    pytest.skip(f"no browser at {CHROMIUM}: apt-get install chromium", allow_module_level=True)

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE = 120_000  # ms: on a busy machine a page takes long


def until(page, condition):
    """Waits for it from here: the page's own policy forbids it to evaluate strings, as waiting inside it would."""
    end = time.monotonic() + PATIENCE / 1000
    while not page.evaluate(condition):
        assert time.monotonic() < end, condition
        page.wait_for_timeout(20)


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        found = started.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield found
        found.close()


@pytest.fixture
def opened(browser):
    """(file, width=1280) -> page, after which nothing may have been asked for or complained of."""
    contexts, wrong = [], []

    def open_(path, width=1280):
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme="light")
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("console", lambda m: wrong.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda r: None if r.url.startswith(("file:", "data:")) else wrong.append(r.url))
        page.goto(path.as_uri())
        until(page, "document.documentElement.dataset.ready")
        return page

    yield open_
    for context in contexts:
        context.close()
    assert wrong == []


def test_the_controls_of_a_page(tmp_path, opened):
    def rows(s):
        return records(5, d_loss=1.0 + s, gradient_mean=lambda i: 2.0**i, verdict="collapsed", reason="3 of 64")

    far = [points(run(tmp_path / f"far/seed-{s}", rows=rows(s), seed=s), seed=s) for s in (0, 1)]
    images = grids(run(tmp_path / "<b>é", recipe="mnist/far", log="2026-01-01 10:00:00 iteration 100: x was nan\n"))
    page = opened(sg.report([*far, images], tmp_path / "page.html"), width=390)
    assert page.locator("[data-verdict]").all_inner_texts() == ["collapsed"]
    assert page.locator(".verdicts li").inner_text().split("\n")[:2] == ["collapsed", "seeds 0, 1"]
    assert page.locator(".reason").first.inner_text() == "3 of 64"
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.evaluate("boxes.forEach(draw)")
    assert page.locator("[data-chart] .main-svg").count() >= 3

    slider = page.get_by_label("Iteration", exact=True)
    assert page.locator("#at").inner_text() == "400"
    slider.focus()
    page.keyboard.press("Home")
    until(page, "document.getElementById('at').textContent === '0'")
    assert slider.get_attribute("aria-valuetext") == "iteration 0"
    assert "iteration 0" in page.locator('[data-panel="0"] .told').inner_text()
    first = page.locator('[data-panel="1"] img').get_attribute("src")
    page.keyboard.press("ArrowRight")
    until(page, "document.getElementById('at').textContent === '100'")
    assert page.locator('[data-panel="1"] img').get_attribute("src") != first
    page.locator('[data-panel="0"] select').select_option("1")
    assert "seed 1" in page.locator('[data-panel="0"] .plot').get_attribute("aria-label")

    chip = page.locator('[data-toggle="0"]')
    chip.focus()
    page.keyboard.press("Enter")
    assert chip.get_attribute("aria-pressed") == "false"
    assert page.locator('.card[data-group="0"]').is_hidden()
    loss = page.evaluate("page.charts.find((chart) => chart.key === 'd_loss').number")
    drawn = f"document.querySelector('[data-chart=\"{loss}\"]').data"
    hidden = f"{drawn}.filter((trace) => trace.meta.group === 0).map((trace) => trace.visible)"
    assert set(page.evaluate(hidden)) == {False}
    page.keyboard.press("Enter")
    assert page.locator('.card[data-group="0"]').is_visible()
    assert set(page.evaluate(hidden)) == {True}

    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.get_by_role("button", name="Dark colours").click()
    dark = page.evaluate(ground)
    assert dark != light
    assert max(map(int, re.findall(r"\d+", dark)[:3])) < 60
    assert page.locator("#theme").get_attribute("aria-pressed") == "true"


def test_a_long_run_is_small_and_opens(tmp_path, opened):
    """200,000 iterations with 20 indicators; the time is printed, as it hangs on the machine."""
    rng = np.random.default_rng(0)
    names = [*KNOWN][:20]
    noise = iter(rng.normal(1.0, 0.1, 2001 * len(names)).tolist())
    rows = records(2001, verdict="healthy", **{k: lambda i: next(noise) * math.exp(-i / 1e5) for k in names})
    folder = points(run(tmp_path / "long", rows=rows), iterations=range(0, 200_001, 5000), n=1000)
    path = sg.report(folder)
    size = path.stat().st_size
    assert size < 10_000_000
    began = time.perf_counter()
    page = opened(path)
    took = time.perf_counter() - began
    assert len(page.evaluate("page.charts")) == 20
    assert max(page.evaluate("page.charts.map((chart) => chart.data[0].x.length)")) <= 1000
    print(f"\n{size:,} bytes, open after {took:.2f} s")
