"""The page in a browser: it opens without a network and without a complaint, and its controls do what they say."""

import math
import re
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from runs_made import grids, grown, points, records, run, said

import steadygan as sg
from steadygan.quantities import KNOWN
from steadygan.reporting import server as serving

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
    while not holds(page, condition):
        assert time.monotonic() < end, condition
        page.wait_for_timeout(20)


def holds(page, condition):
    try:
        return page.evaluate(condition)
    except playwright.Error:  # of a page that goes, as another one comes
        return False


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        found = started.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield found
        found.close()


@pytest.fixture
def opened(browser):
    """(file or address, width=1280, script="") -> page; nothing else may be asked for, nothing complained of."""
    contexts, wrong = [], []

    def open_(where, width=1280, script=""):
        address = where if isinstance(where, str) else where.as_uri()
        own = ("file:", "data:") if address.startswith("file:") else (address, "data:")
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme="light")
        context.add_init_script(script)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("console", lambda m: wrong.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda r: None if r.url.startswith(own) else wrong.append(r.url))
        page.goto(address)
        until(page, "document.documentElement.dataset.ready || document.title.startsWith('Waiting')")
        return page

    yield open_
    for context in contexts:
        context.close()
    assert wrong == []


def test_the_controls_of_a_page(tmp_path, opened):
    def rows(s):
        return records(5, d_loss=1.0 + s, gradient_mean=lambda i: 2.0**i, verdict="collapsed", reason="3 of 64")

    far = [points(run(tmp_path / f"far/seed-{s}", rows=rows(s), seed=s), seed=s) for s in (0, 1)]
    images = grids(run(tmp_path / "<b>é", recipe="mnist/far", events=[(100, "event", "x was nan")]))
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

    drawn = "document.querySelector('[data-panel=\"0\"] .plot').data.map((trace) => trace.name)"
    assert "slopes" not in page.evaluate(drawn)
    page.locator("#slopes").check()
    assert "slopes" in page.evaluate(drawn)

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
    rows = records(2001, verdict="good", **{k: lambda i: next(noise) * math.exp(-i / 1e5) for k in names})
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


@pytest.fixture
def served(monkeypatch):
    """(*folders) -> the address of their page, which is as new as it may be."""
    monkeypatch.setattr(serving, "PAUSE", 0.0)
    monkeypatch.setattr(serving, "SHARE", math.inf)
    servers = []

    def serve(*folders):
        server = serving.PageServer(folders, 0)
        servers.append((server, threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})))
        servers[-1][1].start()
        return server.address

    yield serve
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


# A page that took long to open is not opened again at once; by this clock it is.
RESTED = "const passed = performance.now.bind(performance); performance.now = () => 1e6 + passed();"
ASK = "document.dispatchEvent(new Event('visibilitychange'))"
PLACE = """({
  beyond: Math.round(document.getElementById("curves").getBoundingClientRect().top),
  theme: document.documentElement.dataset.theme,
  at: document.getElementById("at").textContent,
  hidden: [...hiddenGroups],
})"""


def test_a_page_that_is_followed_keeps_the_readers_place(tmp_path, served, opened):
    far, images = tmp_path / "far", tmp_path / "images"
    for folder in (far, images):
        folder.mkdir()
    page = opened(served(far, images), script=RESTED)
    assert page.locator("h1").inner_text() == "Waiting for the first record"
    for seed in (0, 1):
        points(run(far / f"seed-{seed}", seed=seed), seed=seed)
    grids(run(images / "seed-0", recipe="mnist/far"))
    until(page, "document.documentElement.dataset.ready")
    assert page.locator("h1").inner_text() == "grid25/far and mnist/far, seed 0"
    first = page.evaluate("document.documentElement.dataset.state")

    page.get_by_role("button", name="Dark colours").click()
    page.locator('[data-toggle="1"]').click()
    page.get_by_label("Iteration", exact=True).focus()
    for key in ("Home", "ArrowRight"):
        page.keyboard.press(key)
    until(page, "document.getElementById('at').textContent === '100'")
    page.evaluate("window.scrollTo({ top: 700, behavior: 'instant' })")
    place = page.evaluate(PLACE)
    assert {key: value for key, value in place.items() if key != "beyond"} == {
        "theme": "dark",
        "at": "100",
        "hidden": [1],
    }

    grown(far / "seed-0", 500, d_loss=1.5, modes=9)
    said(far / "seed-0", (100, "event", "iteration 100: x was nan"))  # another line above what is looked at
    points(far / "seed-1", iterations=(500,))
    page.evaluate(ASK)
    until(page, f"document.documentElement.dataset.placed && document.documentElement.dataset.state !== {first!r}")
    assert "x was nan" in page.locator(".events").inner_text()
    after = page.evaluate(PLACE)
    assert abs(after.pop("beyond") - place.pop("beyond")) <= 2
    assert after == place

    page.get_by_role("button", name="Follow").click()
    second = page.evaluate("document.documentElement.dataset.state")
    grown(far / "seed-0", 600, d_loss=1.5)
    page.evaluate(ASK)
    page.wait_for_timeout(200)
    assert page.evaluate("document.documentElement.dataset.state") == second
