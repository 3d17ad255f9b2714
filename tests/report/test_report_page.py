"""The page as a file: whole, closed to what stands in names and logs, and honest about what it does not know."""

import json
import re
from html.parser import HTMLParser

import pytest
from runs_made import grids, points, records, run

import steadygan as sg
from steadygan.recipes import RECIPES
from steadygan.reporting.frame import embedded
from steadygan.reporting.groups import grouped
from steadygan.reporting.timeline import timeline
from steadygan.runs.history import history

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>'\"&{{7*7}}"


class Reader(HTMLParser):
    """The elements with their attributes, the words between them, and the scripts."""

    def __init__(self):
        super().__init__()
        self.tags, self.words, self.scripts, self.inside = [], [], [], ""

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.inside = tag

    def handle_endtag(self, tag):
        self.inside = ""

    def handle_data(self, data):
        (self.scripts if self.inside in ("script", "style") else self.words).append(data)


def read(*folders, out):
    page = sg.report(list(folders), out).read_text(encoding="utf-8")
    reader = Reader()
    reader.feed(page)
    reader.text = " ".join(" ".join(reader.words).split())
    reader.data = json.loads(next(script for script in reader.scripts if script.startswith("{")))
    return reader


def test_one_run_has_everything_in_one_file(tmp_path):
    rows = records(5, d_loss=1.2, g_loss=0.9, modes=7, close_pairs=0.1, zeta=2, verdict="good", reason="all is well")
    folder = points(run(tmp_path / "a", rows=rows))
    assert sg.report(folder) == folder / "report.html"
    found = read(folder, out=tmp_path / "page.html")
    for words in ("good", "all is well", "grid25/far, seed 0", "Modes found", "Other terms", "zeta", "Timeline"):
        assert words in found.text
    assert "steadygan train grid25/far --seed 0 --iterations 400" in found.text
    assert [tag for tag, attrs in found.tags if "src" in attrs] == []
    assert [a["href"] for tag, a in found.tags if "href" in a] == ["data:,", "#main"]
    assert [chart["key"] for chart in found.data["charts"]] == ["modes", "d_loss", "g_loss", "close_pairs", "zeta"]
    assert len(found.data["samples"][0]["runs"][0]["frames"]) == 3


def test_no_verdict_is_invented(tmp_path):
    found = read(run(tmp_path / "a"), out=tmp_path / "page.html")
    assert not any("data-verdict" in attrs for _, attrs in found.tags)
    for word in ("good", "learning", "losing", "collapsed"):
        assert word not in found.text


def test_lines_that_cannot_be_read_are_counted_on_the_page(tmp_path):
    rows = [*records(3, d_loss=1.0), "{", *records(2, every=1000, d_loss=1.0), "x"]
    found = read(run(tmp_path / "a", rows=rows), out=tmp_path / "page.html")
    assert "2 lines of metrics.jsonl cannot be read and are left out" in found.text


def test_nothing_that_was_named_becomes_markup(tmp_path):
    tree = RECIPES["grid25/far"](0).plain() | {"recipe": EVIL, "note": EVIL}
    rows = records(4, **{"d_loss": 1.0, EVIL: lambda i: float(i), "verdict": EVIL, "reason": EVIL})
    protocols = {"modes": {"how": EVIL}}
    plain = read(run(tmp_path / "plain"), run(tmp_path / "b", recipe="grid25/r1"), out=tmp_path / "page.html")
    folder = points(
        run(tmp_path / "<i>'é", rows=rows, settings=tree, events=[(100, "event", EVIL)], protocols=protocols)
    )
    found = read(folder, run(tmp_path / "b2", recipe="grid25/r1"), out=tmp_path / "evil.html")
    scripts = [tag for tag, _ in found.tags if tag == "script"]
    assert len(scripts) == len([tag for tag, _ in plain.tags if tag == "script"])
    assert not [tag for tag, _ in found.tags if tag in ("img", "i")]
    assert not [attrs for _, attrs in found.tags if "onerror" in attrs]
    assert found.text.count("{{7*7}}") >= 6  # title, card, event, verdict, settings, chart
    assert "<i>'é" in found.text
    evil = next(chart for chart in found.data["charts"] if chart["key"] == EVIL)
    assert "<" not in evil["data"][0]["hovertemplate"].replace("<extra></extra>", "")


def test_json_cannot_end_its_element():
    text = str(embedded({"a": EVIL, "b": "<!--\u2028é"}))
    assert not re.search("[<>&\u2028]", text)
    assert json.loads(text) == {"a": EVIL, "b": "<!--\u2028é"}
    with pytest.raises(ValueError, match="JSON"):
        embedded(float("nan"))


def test_runs_of_other_data_stand_side_by_side_with_a_warning(tmp_path):
    images = grids(run(tmp_path / "b", recipe="mnist/far", rows=records(3, modes=9)))
    found = read(points(run(tmp_path / "a")), images, out=tmp_path / "page.html")
    assert "Not comparable between the runs: Modes found" in found.text
    assert [panel["runs"][0]["kind"] for panel in found.data["samples"]] == ["points", "images"]


def test_samples_of_a_few_seeds_are_shown(tmp_path):
    folders = [points(run(tmp_path / str(s), seed=s), seed=s) for s in range(6)]
    found = read(*folders, out=tmp_path / "page.html")
    assert [own["name"] for own in found.data["samples"][0]["runs"]] == ["seed 0", "seed 1", "seed 2", "seed 3"]
    assert "4 of 6 seeds" in found.text


def test_events_of_seeds_are_told_once_and_verdicts_as_they_change(tmp_path):
    def rows(s):
        verdicts = [{"verdict": "learning"}] * 2 + [
            {"verdict": "learning", "causes": "d_steep"},
            {"verdict": "collapsed"},
        ]
        return [r | verdicts[i] for i, r in enumerate(records(4 + s, d_loss=1.0)[:4])]

    told = [(0, "note", "started"), (None, "note", "eager"), (200, "event", "iteration 200: g_loss was inf")]
    told += [(300, "event", "iteration 300: collapsed: why")]
    groups = grouped([history(run(tmp_path / str(s), rows=rows(s), events=told, seed=s)) for s in (0, 1)])
    (bar,), listed, more = timeline(groups)
    assert more == 0
    assert [(e.iteration, e.kind, e.tone, e.text) for e in listed] == [
        (0, "verdict", "calm", "learning"),
        (0, "note", "calm", "started"),
        (None, "note", "calm", "eager"),
        (200, "verdict", "warn", "learning → learning (warning: D steep)"),
        (200, "event", "warn", "g_loss was inf"),
        (300, "verdict", "bad", "learning (warning: D steep) → collapsed"),
        (300, "event", "bad", "collapsed: why"),
    ]
    assert {e.run for e in listed} == {"grid25/far, 2 seeds"}
    assert bar.run == "grid25/far, 2 seeds"
    assert [(p.left, p.width, p.tone) for p in bar.stretches] == [
        (0.0, pytest.approx(66.667), "calm"),
        (66.667, pytest.approx(33.333), "warn"),
        (100.0, 0.0, "bad"),
    ]
    assert [(p.left, p.tone) for p in bar.marks] == [(66.667, "warn"), (100.0, "bad")]


def test_what_a_verdict_says_is_listed_once(tmp_path):
    verdicts = [{}, {"causes": "d_steep", "reason": "D is steep"}, {"verdict": "losing", "reason": "less than before"}]
    rows = [r | {"verdict": "learning"} | verdicts[i] for i, r in enumerate(records(3, d_loss=1.0))]
    told = [
        (100, "event", "iteration 100: warning: D is steep"),
        (200, "event", "iteration 200: losing: less than before"),
    ]
    told += [(200, "event", "iteration 200: losing: rolled back to iteration 0")]
    _, listed, _ = timeline(grouped([history(run(tmp_path / "a", rows=rows, events=told))]))
    assert [(e.iteration, e.kind) for e in listed] == [
        (0, "verdict"),
        (100, "verdict"),
        (200, "verdict"),
        (200, "event"),
    ]
    assert listed[-1].text == "losing: rolled back to iteration 0"


def test_a_log_full_of_events_is_cut(tmp_path):
    told = [(i, kind, f"{kind} {i}") for i in range(500) for kind in ("note", "event")]
    _, listed, more = timeline(grouped([history(run(tmp_path / "a", events=told))]))
    assert (len(listed), more) == (200, 800)
    assert {each.kind for each in listed} == {"event"}


def test_a_run_made_before_there_were_events_shows_its_log(tmp_path):
    folder = run(tmp_path / "a")
    (folder / "events.jsonl").unlink()
    (folder / "log.txt").write_text("2026-01-01 10:00:00 iteration 300: d_loss was nan\n")
    assert "iteration 300: d_loss was nan" in read(folder, out=tmp_path / "page.html").text


def test_a_single_record_makes_a_page(tmp_path):
    found = read(run(tmp_path / "a", rows=[{"iteration": 0, "modes": 1}]), out=tmp_path / "page.html")
    assert "Modes found" in found.text


def test_the_page_replaces_an_older_one_whole(tmp_path):
    out = tmp_path / "deep/page.html"
    read(run(tmp_path / "a"), out=out)
    found = read(run(tmp_path / "b", recipe="ring8/far"), out=out)
    assert "ring8/far" in found.text
    assert [path.name for path in out.parent.iterdir()] == ["page.html"]
