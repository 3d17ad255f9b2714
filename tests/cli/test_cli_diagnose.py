"""`steadygan diagnose` as a user types it: the page of a run, JSON, several seeds, and one line for each bad input."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from steadygan.commands.diagnose import show
from steadygan.diagnostics.diagnosis import of_run


def look(iteration, distance=0.4, diversity=1.0, quality=0.3, **more):
    """One record with a look; at first fakes are far from the reals."""
    return {
        "iteration": iteration,
        "d_loss": 1.3,
        "g_loss": 0.8,
        "d_gradient_mean": 0.4,
        "gradient_mean": 0.2,
        "steepness": 0.9,
        "batch_distance": distance,
        "diversity": diversity,
        "batch_balance": 0.9,
        "quality": quality,
        "quality_error": 0.02,
        "served": 0.9,
        "covered": 0.8,
        **more,
    }


NEAR = [look(0), *(look(100 * i, 0.01, quality=0.9, modes=i) for i in range(1, 8))]
FALLEN = [*NEAR, *(look(100 * i, 0.8, 0.1, 0.04, modes=1) for i in range(8, 11))]


def run(folder, records, tail="", **files):
    """A run's folder, with the records alone and whatever else is given."""
    folder.mkdir(parents=True)
    lines = [json.dumps(record) for record in records]
    (folder / "metrics.jsonl").write_text("\n".join([*lines, ""]) + tail, encoding="utf-8")
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("diagnosed")
    run(folder / "good", NEAR)
    warned = [look(100 * i, 0.4, diversity=2.1) for i in range(8)]
    run(folder / "warned", warned)
    back = [{"iteration": 1000, "to": 500, "verdict": "collapsed", "reason": "why", "remedy": "lr_g x 0.5"}]
    run(folder / "fallen", FALLEN, '{"iteration": 1100, "d_lo', interventions=back)
    told = [{**row, "verdict": "learning"} for row in NEAR]
    told[-1] |= {"verdict": "drifting", "reason": "fakes wander (since iteration 700): do less"}
    run(folder / "told", told)
    run(folder / "seeds" / "seed-0", NEAR)
    run(folder / "seeds" / "seed-1", FALLEN)
    run(folder / "seeds" / "seed-2", [{"iteration": 0, "d_loss": 1.0}])
    run(folder / "blind", [{"iteration": 0, "d_loss": 1.0}])
    run(folder / "empty", [])
    run(folder / "garbled", [], '{"iteration": 3\nnothing\n')
    run(folder / "odd", NEAR, interventions={"iteration": 3})
    (folder / "none").mkdir()
    (folder / "begun").mkdir()
    (folder / "begun" / "settings.json").write_text("{}")
    return folder


def test_pages_and_json(place, commands):
    good, warned, fallen, as_json, seeds, seeds_json = commands(
        [
            ["diagnose", "good"],
            ["diagnose", "warned"],
            ["diagnose", "fallen"],
            ["diagnose", "fallen", "--json"],
            ["diagnose", "seeds"],
            ["diagnose", "seeds", "--json"],
        ],
        place,
    )
    assert [answer.code for answer in (good, warned, fallen, as_json, seeds, seeds_json)] == [0] * 6, fallen.err
    assert good.out.startswith("good: good since iteration 200; last look at 700\n")
    assert "fakes serve 90% of the data, their quality is 0.9 (1 is as good as real data)\n" in good.out
    assert warned.out.startswith("warned: learning (warning: G driven out) since iteration 0; last look at 700\n")
    assert "fakes are 2.1 times as far apart as reals: G is driven out of the data" in warned.out
    assert "collapsed (fakes alike) since iteration 800; last look at 1,000" in fallen.out
    assert "fakes have a quality of 0.04 after 0.9 (1 is as good as real data)" in fallen.out
    assert "fakes differ 0.1 times as much as reals" in fallen.out
    assert "rolled back from iteration 1,000 to 500: collapsed; lr_g x 0.5" in fallen.out
    assert "1 line of metrics.jsonl cannot be read and is left out" in fallen.out
    told = json.loads(as_json.out)
    assert (told["state"], told["causes"], told["since"], told["iteration"]) == (
        "collapsed",
        ["fakes_alike"],
        800,
        1000,
    )
    assert told["evidence"] == {"quality": 0.04, "diversity": 0.1}
    assert told["advice"] in told["reason"]
    assert told["figures"]["steepness"] == 0.9
    assert told["first"]["batch_distance"] == 0.4
    assert [turn["verdict"] for turn in told["history"]] == ["learning", "good", "collapsed"]
    assert told["interventions"][0]["to"] == 500
    assert told["metrics"]["modes"] == {"final": 1.0, "best": 7.0, "best_at": 700, "real": None}
    rows = {line.split()[0]: line for line in seeds.out.splitlines() if line.strip().startswith("seed-")}
    assert "good" in rows["seed-0"]
    assert "collapsed" in rows["seed-1"]
    assert "left out: expected a look" in seeds.out
    assert "steadygan diagnose seeds/seed-1" in seeds.out.replace("\\", "/")
    several = json.loads(seeds_json.out)
    assert several["state"] == "collapsed"
    assert several["evidence"] == told["evidence"]
    assert [each["state"] for each in several["runs"]] == ["good", "collapsed"]


def test_recorded_verdicts_are_taken(place):
    """A verdict that the run's own monitor gave stands, with its reason, even where another one would be given now."""
    found = of_run(place / "told")
    assert (found.state, found.since, found.advice) == ("learning", 700, "do less")  # what an earlier version's means
    assert [(turn.iteration, turn.verdict) for turn in found.history] == [(0, "learning"), (700, "drifting")]
    assert found.evidence == {}
    assert "judged from" not in " ".join(found.notes)
    assert "judged from" in " ".join(of_run(place / "good").notes)


def test_damaged_roll_backs_are_told(place):
    found = of_run(place / "odd")
    assert found.interventions == ()
    assert any("interventions.json cannot be read" in note for note in found.notes)


@pytest.mark.parametrize("width", [80, 120])
def test_a_page_fits_the_terminal(place, width):
    text = io.StringIO()
    own = {"markup": False, "highlight": False, "soft_wrap": True, "force_terminal": True, "color_system": None}
    show(of_run(place / "fallen"), Console(file=text, width=width, **own))
    lines = text.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    assert len(lines) < 60
    assert ("unit" in text.getvalue()) == (width == 120)
    assert "…" not in text.getvalue()


@pytest.mark.parametrize(
    ("found", "code"),
    [("good", "\x1b[1;32m"), ("fallen", "\x1b[1;31m"), ("warned", "\x1b[1;33m"), ("told", "\x1b[1;36m")],
)
def test_verdicts_have_colours(place, found, code):
    text = io.StringIO()
    show(of_run(place / found), Console(file=text, width=100, force_terminal=True, color_system="standard"))
    assert code in text.getvalue().splitlines()[0]


BAD = {
    "nowhere": "found no such folder: check the path",
    "none": "found no metrics.jsonl there",
    "begun": "found none: continue training",
    "empty": "got an empty file: continue the run",
    "garbled": "got 2 that cannot be read: continue the run",
    "blind": "got 1 record without one: train it with the monitor on",
}


def test_bad_input_is_one_line(place, commands):
    answers = commands([["diagnose", name] for name in BAD], place)
    for (name, expected), answer in zip(BAD.items(), answers, strict=True):
        assert expected in answer.refused(), name
        assert answer.out == ""
