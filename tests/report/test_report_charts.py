"""What charts draw: values, equilibrium, alarms, zeros on log axes, values that dwarf the rest."""

import math

import pytest
from plotly.graph_objects import Figure
from runs_made import LEVEL, records, run

from steadygan.quantities import KNOWN, Quantity
from steadygan.reporting.charts import chart, text
from steadygan.reporting.groups import grouped
from steadygan.runs.history import history

LOSS = KNOWN["d_loss"]


def made(quantity, *folders):
    return chart(quantity, grouped([history(folder) for folder in folders]))


def test_a_run_is_a_line_with_the_equilibrium_dashed(tmp_path):
    found = made(LOSS, run(tmp_path / "a", rows=records(3, d_loss=lambda i: i / 100)))
    (line,) = found["data"]
    assert (line["x"], line["y"]) == ([0, 100, 200], [0, 1, 2])
    assert line["meta"] == {"group": 0, "role": "line"}
    (level,) = found["layout"]["shapes"]
    assert level["y0"] == level["y1"] == LEVEL
    assert found["captions"] == ["Dashed: equilibrium, 1.386."]
    assert found["summary"].endswith("grid25/far, seed 0 ends at 2.00.")
    assert found["layout"]["yaxis"]["title"]["text"] == "loss"


def test_losses_with_other_equilibria_have_a_line_each(tmp_path):
    a = run(tmp_path / "a", equilibrium=(2.0, None))
    b = run(tmp_path / "b", recipe="grid25/r1")
    found = made(LOSS, a, b)
    assert [(s["name"], s["y0"]) for s in found["layout"]["shapes"]] == [("level-0", 2.0), ("level-1", LEVEL)]
    free = made(KNOWN["g_loss"], a, b)
    assert [(s["name"], s["y0"]) for s in free["layout"]["shapes"]] == [("level-1", LEVEL / 2)]
    assert free["captions"] == ["Dashed: equilibrium, grid25/far none, grid25/r1 0.693."]
    assert made(KNOWN["g_loss"], a)["captions"] == ["This loss has no fixed equilibrium, or it is not known."]


def test_seeds_are_a_mean_with_a_band(tmp_path):
    folders = [run(tmp_path / str(s), rows=records(3, d_loss=1.0 + 2 * s), seed=s) for s in (0, 1)]
    low, high, line = made(LOSS, *folders)["data"]
    assert line["y"] == [2, 2, 2]
    assert low["y"] == pytest.approx([2 - math.sqrt(2)] * 3, abs=1e-4)
    assert high["y"] == pytest.approx([2 + math.sqrt(2)] * 3, abs=1e-4)
    assert [trace["meta"]["role"] for trace in (low, high, line)] == ["edge", "band", "line"]
    assert high["fill"] == "tonexty"


def test_zeros_stand_at_the_foot_of_a_log_axis(tmp_path):
    rows = records(4, gradient_mean=lambda i: [0.0, 1e-3, 1.0, 10.0][i // 100])
    found = made(KNOWN["gradient_mean"], run(tmp_path / "a", rows=rows))
    assert found["layout"]["yaxis"]["type"] == "log"
    assert found["data"][0]["y"] == [1e-4, 1e-3, 1, 10]
    assert "Values of 0 are drawn at the bottom of the axis." in found["captions"]


@pytest.mark.parametrize("values", [[1.0, 1.5, 2.0], [-1.0, 10.0, 1000.0], [0.0, 0.0, 0.0]])
def test_what_a_log_axis_cannot_show_or_need_not_is_linear(tmp_path, values):
    rows = records(3, gradient_mean=lambda i: values[i // 100])
    found = made(KNOWN["gradient_mean"], run(tmp_path / "a", rows=rows))
    assert found["layout"]["yaxis"]["type"] == "linear"
    assert found["data"][0]["y"] == values


def test_a_short_log_axis_has_ticks_of_its_own(tmp_path):
    rows = records(3, gradient_mean=lambda i: [1.0, 3.0, 30.0][i // 100])
    axis = made(KNOWN["gradient_mean"], run(tmp_path / "a", rows=rows))["layout"]["yaxis"]
    assert axis["tickvals"] == [1, 2, 5, 10, 20]


def test_a_value_that_dwarfs_the_rest_is_told(tmp_path):
    rows = records(200, d_loss=lambda i: 9e5 if i == 5000 else 1.0 + (i % 300) / 1000)
    found = made(LOSS, run(tmp_path / "a", rows=rows))
    low, high = found["layout"]["yaxis"]["range"]
    assert 0.5 < low < 1.0
    assert 1.2 < high < 2.0
    assert max(found["data"][0]["y"]) == 9e5
    assert any("9.0e+05 at iteration 5,000" in caption for caption in found["captions"])
    calm = records(200, d_loss=lambda i: 1.0 + (i % 300) / 1000)
    assert "range" not in made(LOSS, run(tmp_path / "b", rows=calm))["layout"]["yaxis"]


def test_alarms_are_marked(tmp_path):
    rows = [row | {"verdict": "good" if row["iteration"] < 200 else "collapsed"} for row in records(4, d_loss=1.0)]
    found = made(LOSS, run(tmp_path / "a", rows=rows))
    assert [(s["name"], s["x0"], s["x1"]) for s in found["layout"]["shapes"][1:]] == [("alarm-0", 200, 200)]


def test_nothing_to_draw_is_no_chart(tmp_path):
    assert made(KNOWN["fid"], run(tmp_path / "a")) is None


def test_names_are_words_to_plotly():
    assert text("<b>&é") == "&lt;b&gt;&amp;é"


def test_plotly_knows_every_property(tmp_path):
    """A misspelt one would be passed over in silence by the browser."""
    rows = records(4, d_loss=1.0, gradient_mean=lambda i: 10.0 ** (i // 50), modes=3, zeta=lambda i: -i)
    folders = [run(tmp_path / str(s), rows=rows, seed=s) for s in (0, 1)]
    for quantity in (LOSS, KNOWN["gradient_mean"], KNOWN["modes"], Quantity("zeta", "zeta", "as recorded")):
        found = made(quantity, *folders)
        Figure({"data": found["data"], "layout": found["layout"]})
