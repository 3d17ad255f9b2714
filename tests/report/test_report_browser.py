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
    assert page.locator(".states").first.inner_text().split("\n") == ["collapsed", "seeds 0, 1, since 0"]
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
    assert page.locator('.side [data-run="0"]').is_hidden()
    loss = page.evaluate("page.charts.find((chart) => chart.key === 'd_loss').number")
    drawn = f"document.querySelector('[data-chart=\"{loss}\"]').data"
    hidden = f"{drawn}.filter((trace) => trace.meta.group === 0).map((trace) => trace.visible)"
    assert set(page.evaluate(hidden)) == {False}
    page.keyboard.press("Enter")
    assert page.locator('.side [data-run="0"]').is_visible()
    assert set(page.evaluate(hidden)) == {True}

    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.get_by_role("button", name="Dark colours").click()
    dark = page.evaluate(ground)
    assert dark != light
    assert max(map(int, re.findall(r"\d+", dark)[:3])) < 60
    assert page.locator("#theme").get_attribute("aria-pressed") == "true"


PARTS = """Object.fromEntries(["overview", "samples", "why", "events", "figures", "curves"].map(
  (id) => [id, document.getElementById(id).getBoundingClientRect().top + scrollY]))"""


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("several", [1, 3])
def test_what_matters_stands_first(tmp_path, opened, width, several):
    """Samples within 700 pixels and figures within 2,500, on a laptop and on a phone; nothing is cut at the side."""
    seen = "fakes have a quality of 0.37 after 0.69 (1 is as good as real data); D is steep"
    reason = f"{seen} (since iteration 100): r1=1, lr=2"
    look = {"quality": 0.4, "served": 0.5, "steepness": 20.0, "d_off": -0.4, "high_quality": 0.5, "balance": 0.3}
    rows = records(5, d_loss=1.0, modes=3, fid=20.0, verdict="losing", causes="d_steep", reason=reason, **look)
    recipes = ("grid25/far", "grid25/r1", "grid25/nsgan")
    reference = {"modes": 25.0, "balance": 1.0}
    folders = [points(run(tmp_path / str(i), rows, recipes[i], reference=reference)) for i in range(several)]
    page = opened(sg.report(folders, tmp_path / "page.html"), width=width)
    tops = page.evaluate(PARTS)
    assert tops["samples"] <= 700
    assert tops["figures"] <= 2500
    assert sorted(tops, key=tops.get)[-4:] == ["why", "events", "figures", "curves"]
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.locator("#play").is_visible()
    if several > 1:  # every figure of every run is seen without scrolling sideways
        ends = "[...document.querySelectorAll('.side tr > *')].map((cell) => cell.getBoundingClientRect().right)"
        assert max(page.evaluate(ends)) <= width
        rows = page.evaluate("[...document.querySelectorAll('.side [data-run]')].map((row) => row.innerText)")
        assert [row.split()[0] for row in rows] == [*recipes]


@pytest.mark.parametrize("width", [1280, 390])
def test_a_narrow_page_folds_all_curves_but_the_first(tmp_path, opened, width):
    rows = records(5, d_loss=1.0, modes=3, gradient_mean=1.0, logit_gap=1.0)
    page = opened(sg.report(run(tmp_path / "a", rows)), width=width)
    folds = page.evaluate("[...document.querySelectorAll('#curves ~ details')].map((fold) => fold.open)")
    assert len(folds) == 4
    assert folds == [True, *[width == 1280] * 3]


def test_play_shows_the_samples_one_after_the_other(tmp_path, opened):
    page = opened(sg.report(points(run(tmp_path / "a"), iterations=(0, 100, 400, 900))))
    play, at = page.locator("#play"), "document.getElementById('at').textContent"
    assert (play.get_attribute("aria-label"), page.evaluate(at)) == ("Play", "900")
    page.evaluate("""() => {
      const seen = (window.seen = []);
      new MutationObserver(() => seen.push(document.getElementById("at").textContent))
        .observe(document.getElementById("at"), { childList: true });
    }""")
    play.focus()
    page.keyboard.press("Enter")
    assert play.get_attribute("aria-label") == "Pause"
    until(page, f"document.getElementById('play').getAttribute('aria-pressed') === 'false' && {at} === '900'")
    assert page.evaluate("seen") == ["0", "100", "400", "900"]
    play.click()  # again, from the beginning; then another touch stops it
    page.get_by_label("Iteration", exact=True).focus()
    page.keyboard.press("Home")
    until(page, "document.getElementById('play').getAttribute('aria-pressed') === 'false'")
    page.wait_for_timeout(700)
    assert page.evaluate(at) == "0"


def test_the_navigation_leads_to_each_part_and_marks_it(tmp_path, opened):
    rows = records(40, d_loss=1.0, gradient_mean=1.0, modes=3, logit_gap=1.0, weight_norm_g=2.0)
    page = opened(sg.report(points(run(tmp_path / "a", rows))))
    marked = "[...document.querySelectorAll('nav [aria-current]')].map((link) => link.textContent)"
    assert page.evaluate(marked) == ["Overview"]
    page.evaluate("document.documentElement.style.scrollBehavior = 'auto'")
    for name in ("Events", "Figures", "Curves", "Settings", "Overview"):
        page.get_by_role("link", name=name, exact=True).click()
        until(page, f"JSON.stringify({marked}) === '[\"{name}\"]'")
        if name in ("Figures", "Curves"):  # below the bar, not under it
            bar = page.evaluate("document.querySelector('.bar').getBoundingClientRect().bottom")
            top = page.evaluate(f"document.getElementById('{name.lower()}').getBoundingClientRect().top")
            assert bar <= top <= bar + 60


def test_events_unfold(tmp_path, opened):
    steep = {"causes": "d_steep", "reason": "D is steep"}
    rows = [r | {"verdict": "good"} | (steep if i % 2 else {}) for i, r in enumerate(records(80, d_loss=1.0))]
    page = opened(sg.report(run(tmp_path / "a", rows)))
    assert page.locator(".events > li").count() == 2
    fold = page.locator(".events details").first
    assert fold.locator("summary").inner_text().split("\n") == ["Warning: D steep", "40 times, iterations 100 to 7,900"]
    assert not fold.locator("li").first.is_visible()
    fold.locator("summary").focus()
    page.keyboard.press("Enter")
    assert fold.locator("li").first.inner_text() == "100 to 200 D is steep"
    assert fold.locator("li").count() == 40


def test_the_evolution_is_saved_as_a_film(tmp_path, opened):
    page = opened(sg.report(points(run(tmp_path / "a"))))
    with page.expect_download() as download:
        page.get_by_role("link", name="Download as GIF").click()
    assert download.value.suggested_filename == "evolution.gif"
    assert Path(download.value.path()).read_bytes()[:6] == b"GIF89a"


def test_a_long_run_is_small_and_opens(tmp_path, opened):
    """200,000 iterations with 20 indicators; the time is printed, as it hangs on the machine."""
    rng = np.random.default_rng(0)
    names = [*KNOWN][:20]
    noise = iter(rng.normal(1.0, 0.1, 2001 * len(names)).tolist())
    rows = records(2001, verdict="good", **{k: lambda i: next(noise) * math.exp(-i / 1e5) for k in names})
    folder = points(run(tmp_path / "long", rows=rows), iterations=range(0, 200_001, 5000), n=1000)
    path = sg.report(folder)
    size = path.stat().st_size
    assert size < 3_500_000  # most of it the packed library
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
        points(run(far / f"seed-{seed}", seed=seed, events=[(0, "note", "started")]), seed=seed)
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
    page.locator("[data-fold] summary").first.evaluate("(fold) => fold.click()")
    page.evaluate("document.getElementById('curves').scrollIntoView({ behavior: 'instant' })")
    page.evaluate("window.scrollBy({ top: 150, behavior: 'instant' })")
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
    assert "x was nan" in page.locator(".events").first.inner_text()
    assert page.locator(".events [data-fold][open]").count() == 1
    after = page.evaluate(PLACE)
    assert abs(after.pop("beyond") - place.pop("beyond")) <= 2
    assert after == place

    page.get_by_role("button", name="Follow").click()
    second = page.evaluate("document.documentElement.dataset.state")
    grown(far / "seed-0", 600, d_loss=1.5)
    page.evaluate(ASK)
    page.wait_for_timeout(200)
    assert page.evaluate("document.documentElement.dataset.state") == second
