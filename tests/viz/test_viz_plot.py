"""Figures as plain numbers: what arrows are made of, and that every kind of stroke is drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from steadygan.reporting.charts import plotted
from steadygan.viz.plot import Plot, Stroke, arrow_paths, draw_plot, spacing

FIELD = Stroke([0.0, 1.0], [0.0, 0.0], kind="arrows", colour=None, u=[4.0, 0.0], v=[0.0, 1.0])


def test_arrows_point_along_the_field() -> None:
    """The longest is as long as asked for, one of a quarter of its size half as long, both around their places."""
    x, y = (np.array(own).reshape(2, 6) for own in arrow_paths(FIELD, 0.5))
    assert x[0, :2].tolist() == pytest.approx([-0.25, 0.25])
    assert y[0, :2].tolist() == pytest.approx([0.0, 0.0])
    assert x[1, :2].tolist() == pytest.approx([1.0, 1.0])
    assert y[1, :2].tolist() == pytest.approx([-0.125, 0.125])
    assert x[0, 2] == x[0, 4] == pytest.approx(0.25 - 0.35 * 0.5)  # the head lies behind the tip, on both sides of it
    assert y[0, 2] == pytest.approx(-y[0, 4])
    assert y[0, 2] != 0
    assert np.isnan(x[:, 5]).all()
    assert spacing(FIELD) == 1.0


def test_a_field_of_nothing() -> None:
    x, y = arrow_paths(FIELD._replace(u=[0.0, 0.0], v=[0.0, 0.0]), 0.5)
    assert np.nanmax(np.abs(np.array(y))) == 0.0
    assert set(np.array(x)[~np.isnan(x)].tolist()) == {0.0, 1.0}


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_every_kind_is_drawn(tmp_path: Path, ending: str) -> None:
    strokes = (Stroke([1.0, 10.0], [1.0, 2.0], "a line"), Stroke([1.0], [2.0], "", "points", 1), FIELD)
    draw_plot(Plot("one", "A <b> title", "x", "y", strokes, "x", square=False), tmp_path / f"one.{ending}")
    assert (tmp_path / f"one.{ending}").stat().st_size > 1000


def test_a_chart_of_a_plot() -> None:
    strokes = (Stroke([1.0, 10.0], [1.0, 2.0], "a <b>"), Stroke([1.0], [2.0], "", "points", 1), FIELD)
    chart = plotted(Plot("one", "One", "x < y", "y", strokes, "x", "a note", square=True))
    line, points, field = chart["data"]
    assert (line["mode"], line["name"], line["meta"]) == ("lines", "a &lt;b&gt;", {"group": 0, "role": "line"})
    assert (points["mode"], points["meta"]) == ("markers", {"group": 1, "role": "points"})
    assert field["meta"]["role"] == "quiet"
    assert field["x"][5] is None
    assert chart["layout"]["xaxis"]["type"] == "log"
    assert chart["layout"]["xaxis"]["title"]["text"] == "x &lt; y"
    assert "type" not in chart["layout"]["yaxis"]
    assert chart["layout"]["yaxis"]["scaleanchor"] == "x"
    assert chart["captions"] == ["a note"]
    assert "legend" in chart["layout"]
    assert "legend" not in plotted(Plot("one", "One", "x", "y", strokes[1:]))["layout"]
