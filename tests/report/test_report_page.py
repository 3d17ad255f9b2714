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
    for words in ("good", "all is well", "grid25/far, seed 0", "Modes found", "Other terms", "zeta", "Events"):
        assert words in found.text
    assert "steadygan train grid25/far --seed 0 --iterations 400" in found.text
    assert [tag for tag, attrs in found.tags if "src" in attrs] == []
    links = [a["href"] for tag, a in found.tags if "href" in a]
    parts = ["#overview", "#samples", "#why", "#events", "#figures", "#curves", "#settings"]
    assert links[:-1] == ["data:,", "#main", *parts]
    assert links[-1].startswith("data:image/gif;base64,")
    assert {a["id"] for _, a in found.tags if "id" in a} >= {part[1:] for part in parts}
    assert [chart["key"] for chart in found.data["charts"]] == ["modes", "d_loss", "g_loss", "close_pairs", "zeta"]
    assert len(found.data["samples"][0]["runs"][0]["frames"]) == 3


def test_no_verdict_is_invented(tmp_path):
    found = read(run(tmp_path / "a"), out=tmp_path / "page.html")
    assert not any("data-verdict" in attrs for _, attrs in found.tags)
    assert "Its state is not known" in found.text
    assert not any("legend" in attrs.get("class", "") for _, attrs in found.tags)


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


@pytest.mark.parametrize(
    ("names", "title"),
    [
        (("r1", "far"), "grid25/r1 and grid25/far, seed 0"),
        (("r1", "far", "sdp", "hinge"), "4 runs side by side, seed 0"),
    ],
)
def test_a_title_names_a_few_runs_and_counts_many(tmp_path, names, title):
    folders = [run(tmp_path / name, recipe=f"grid25/{name}") for name in names]
    page = sg.report(folders, tmp_path / "page.html").read_text(encoding="utf-8")
    assert f"<h1>{title}</h1>" in page


def test_samples_of_a_few_seeds_are_shown(tmp_path):
    folders = [points(run(tmp_path / str(s), seed=s), seed=s) for s in range(6)]
    found = read(*folders, out=tmp_path / "page.html")
    assert [own["name"] for own in found.data["samples"][0]["runs"]] == ["seed 0", "seed 1", "seed 2", "seed 3"]
    assert "4 of 6 seeds" in found.text


def told(folds):
    return [(fold.title, fold.tone, fold.first, fold.last, fold.times) for fold in folds]


def test_what_happened_to_seeds_alike_is_told_once_and_folded_by_its_cause(tmp_path):
    def rows(s):
        verdicts = [{"verdict": "learning"}] * 2 + [
            {"verdict": "learning", "causes": "d_steep", "reason": "D is steep"},
            {"verdict": "collapsed"},
        ]
        return [r | verdicts[i] for i, r in enumerate(records(4 + s, d_loss=1.0)[:4])]

    said = [(0, "note", "started"), (None, "note", "eager"), (200, "event", "iteration 200: g_loss was inf")]
    said += [(300, "event", "iteration 300: collapsed: why")]
    groups = grouped([history(run(tmp_path / str(s), rows=rows(s), events=said, seed=s)) for s in (0, 1)])
    (bar,), folds, more = timeline(groups)
    assert more == 0
    assert told(folds) == [
        ("Warning: D steep", "warn", 200, 300, 1),
        ("g_loss was inf", "warn", 200, 200, 1),
        ("Collapsed", "bad", 300, 300, 1),
        ("collapsed: why", "bad", 300, 300, 1),
        ("Without an alarm", "calm", 0, 200, 1),
        ("Notes of the run", "calm", 0, 0, 2),
    ]
    assert {each.run for fold in folds for each in fold.listed} == {"grid25/far, 2 seeds"}
    assert [(each.iteration, each.until, each.text) for each in folds[0].listed] == [(200, 300, "D is steep")]
    assert [(each.iteration, each.text) for each in folds[-1].listed] == [(0, "started"), (None, "eager")]
    assert bar.run == "grid25/far, 2 seeds"
    assert [(p.left, p.width, p.tone) for p in bar.stretches] == [
        (0.0, pytest.approx(66.667), "calm"),
        (66.667, pytest.approx(33.333), "warn"),
        (99.6, 0.4, "bad"),
    ]
    assert [(p.left, p.tone) for p in bar.marks] == [(66.667, "warn"), (100.0, "bad")]


def test_flicker_is_one_line(tmp_path):
    steep = {"causes": "d_steep", "reason": "D is steep"}
    rows = [r | {"verdict": "good"} | (steep if i % 2 else {}) for i, r in enumerate(records(80, d_loss=1.0))]
    said = [(100 * i, "event", f"iteration {100 * i}: {i} values were nan") for i in range(1, 50)]
    _, folds, more = timeline(grouped([history(run(tmp_path / "a", rows=rows, events=said))]))
    assert told(folds) == [
        ("Warning: D steep", "warn", 100, 7900, 40),
        ("… values were nan", "warn", 100, 4900, 49),
        ("Without an alarm", "good", 0, 7900, 40),
    ]
    assert [len(fold.listed) for fold in folds] == [40, 40, 40]
    assert more == 9


def test_what_a_verdict_says_is_listed_once(tmp_path):
    verdicts = [{}, {"causes": "d_steep", "reason": "D is steep"}, {"verdict": "losing", "reason": "less than before"}]
    verdicts += [{"verdict": "losing", "causes": "d_steep", "reason": "less, as D is steep"}, {"verdict": "good"}]
    rows = [r | {"verdict": "learning"} | verdicts[i] for i, r in enumerate(records(5, d_loss=1.0))]
    said = [
        (100, "event", "iteration 100: warning: D is steep"),
        (200, "event", "iteration 200: losing: less than before"),
    ]
    said += [(200, "event", "iteration 200: losing: rolled back to iteration 0")]
    said += [(300, "event", "iteration 300: losing: less, as D is steep"), (400, "event", "iteration 400: good again")]
    _, folds, _ = timeline(grouped([history(run(tmp_path / "a", rows=rows, events=said))]))
    assert [(fold.title, [(each.iteration, each.text) for each in fold.listed]) for fold in folds] == [
        ("Warning: D steep", [(100, "D is steep")]),
        ("Losing", [(200, "less than before")]),
        ("losing: rolled back to iteration 0", [(200, "losing: rolled back to iteration 0")]),
        ("Losing (D steep)", [(300, "less, as D is steep")]),
        ("Without an alarm", [(0, "learning"), (400, "good")]),
    ]


def test_a_log_full_of_events_is_cut(tmp_path):
    kinds = ("note", "event", "b", "c", "d", "e")
    said = [(i, "note" if kind == "note" else "event", f"{kind} happened {i}") for i in range(500) for kind in kinds]
    _, folds, more = timeline(grouped([history(run(tmp_path / "a", events=said))]))
    assert [fold.times for fold in folds] == [500] * 6
    assert [len(fold.listed) for fold in folds] == [40] * 5 + [0]  # notes are left out first
    assert more == 2800


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
