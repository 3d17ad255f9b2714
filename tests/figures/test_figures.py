"""The papers' figures: every one of them is there, and draws the numbers of its runs and no others."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image
from torch.distributions import MultivariateNormal

from steadygan.config import override
from steadygan.data.sets.gaussians import TWO_GAUSSIANS_FAKE, TWO_GAUSSIANS_REAL
from steadygan.errors import InputError
from steadygan.figures import FIGURES, Clouds, Curves, Final, Grids, Group, PaperFigure, Surfaces, figure_named
from steadygan.figures.draw import Trace, apart, draw, draw_arrows, draw_lines, published, value_of
from steadygan.figures.figure import COSTS, cost_key, hours
from steadygan.quantities import KNOWN
from steadygan.recipes import RECIPES, build
from steadygan.runs.folder import RunFolder

PAPERS = {
    *(f"fargan-{i}" for i in range(1, 9)),
    *(f"fargan-supplement-{i}" for i in range(1, 5)),
    *(f"zero-gp-{i}" for i in range(1, 9)),
    "sdp-2", "sdp-3", "sdp-4", "dual-2", "dual-tables",
}  # fmt: skip
RING = "paper/fargan/ring8-far"
BOTH = Group("ring", ((RING, "far"), ("paper/zero-gp/ring8-r1", "r1")))


def test_every_figure_of_the_papers_is_there() -> None:
    assert FIGURES.keys() >= PAPERS
    with pytest.raises(InputError, match="did you mean 'dual-2'"):
        figure_named("dual-two")


@pytest.mark.parametrize("figure", FIGURES.values(), ids=lambda figure: figure.name)
def test_what_a_figure_shows_can_be_trained_and_told(figure: PaperFigure) -> None:
    for recipe in figure.recipes:
        full, small = RECIPES[recipe](), RECIPES[recipe](scale="small")
        assert small.horizon <= full.horizon
        if isinstance(figure.drawing, Clouds):  # each of its iterations is one at which samples are kept
            for settings in (full, small):
                at = {i * settings.horizon // full.horizon for i in figure.drawing.at}
                assert {i % settings.evaluate.every for i in at} == {0}
    if isinstance(figure.drawing, Curves | Final):
        asked = figure.drawing.keys if isinstance(figure.drawing, Curves) else (figure.drawing.key,)
        assert {key for keys in asked for key in keys.split("|")} <= KNOWN.keys()
    for group in figure.groups:
        assert len({label for _, label in group.lines}) == len(group.lines)


def test_hours_of_all_runs() -> None:
    """4 x 5 runs of 20,000 iterations, at so many milliseconds each."""
    figure = FIGURES["fargan-1"]
    cost = COSTS[cost_key(RECIPES["paper/fargan/gaussian-far"]())]
    assert hours(figure, "small") == pytest.approx(20 * 20_000 * cost / 3.6e6)
    assert hours(FIGURES["fargan-8"], "full") is None  # nobody trains that on a CPU
    for each in FIGURES.values():
        small = hours(each, "small")
        assert small is None or 0.0 < small < 200.0


def run(folder: Path, values: Sequence[float], key: str = "balance") -> RunFolder:
    """What a run leaves: a record for each value, points that stand at its iteration."""
    made = RunFolder(folder)
    made.samples.mkdir(parents=True)
    for i, value in enumerate(values):
        at = 100 * i
        with made.metrics.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"iteration": at, key: value}) + "\n")
        points = np.full((5, 2), float(at))
        slope, surface = np.ones((20, 20, 2)), np.zeros((4, 4))
        np.savez(made.samples / f"{at:09d}.npz", points=points, slope=slope, surface=surface, extent=[0, 1, 0, 1])
    np.savez(made.real, points=np.random.default_rng(0).normal(size=(50, 2)))
    return made


def shown(drawing: Clouds | Curves | Final | Grids | Surfaces, *groups: Group) -> PaperFigure:
    return PaperFigure("test", "a figure", "tao2020", "a claim", groups, drawing)


def test_points_are_those_of_the_iteration_in_proportion_to_the_length(tmp_path: Path) -> None:
    runs = {RING: [run(tmp_path / "run", [0.0] * 11)]}
    figure = shown(Clouds((0, 500_000)), Group("", ((RING, "far"),)))
    paths = draw(figure, runs, tmp_path / "out" / "test", "small")
    assert [path.name for path in paths] == ["test.png", "test.pdf", "test.npz"]
    assert all(path.stat().st_size > 500 for path in paths)
    with np.load(paths[-1]) as arrays:
        assert {name for name in arrays if name.endswith("points")} == {"far, 0: points", "far, 1000: points"}
        assert (arrays["far, 1000: points"] == 1000.0).all()  # the last, as 50,000 were never reached
        assert arrays["far: real"].shape == (50, 2)


def test_arrows_keep_directions_and_cut_the_longest(tmp_path: Path) -> None:
    slope = np.zeros((20, 20, 2))
    slope[..., 0] = 1.0
    slope[0, 0] = 300.0, 400.0
    axes = Figure().subplots()
    draw_arrows(axes, slope, (0.0, 20.0, 0.0, 20.0))
    (arrows,) = axes.collections
    u, v = np.asarray(arrows.U), np.asarray(arrows.V)  # type: ignore[attr-defined]
    assert np.allclose((u[0], v[0]), (1.4 * 0.6, 1.4 * 0.8))
    assert np.allclose((u[1:], v[1:]), np.array([[1.4], [0.0]]))


def test_curves_are_the_records_and_their_mean_and_deviation(tmp_path: Path) -> None:
    own = [[{"iteration": 100 * i, "balance": value} for i, value in enumerate(values)] for values in ((1, 3), (3, 9))]
    axes = Figure().subplots()
    draw_lines(axes, [Trace("", RING, "far", "balance", own)])
    mean, ideal = axes.lines
    assert np.asarray(mean.get_ydata()).tolist() == [2.0, 6.0]
    assert ideal.get_ydata()[0] == 1.0  # as even as real data
    (band,) = axes.collections
    edges = band.get_paths()[0].vertices
    assert (edges[:, 1].min(), edges[:, 1].max()) == pytest.approx((2.0 - 2.0**0.5, 6.0 + 18.0**0.5))
    runs = {
        recipe: [run(tmp_path / f"{i}{seed}", [i + seed, 0.5]) for seed in range(2)]
        for i, (recipe, _) in enumerate(BOTH.lines)
    }
    *_, table = draw(shown(Curves(("modes|balance",)), BOTH), runs, tmp_path / "test", "full")
    with table.open(encoding="utf-8") as file:
        rows = [*csv.DictReader(file)]
    assert {row["quantity"] for row in rows} == {"balance"}
    first = [(row["label"], row["seed"], float(row["value"])) for row in rows if row["iteration"] == "0"]
    assert first == [("far", "0", 0.0), ("far", "1", 1.0), ("r1", "0", 1.0), ("r1", "1", 2.0)]


def test_bars_are_the_last_values_beside_what_was_printed(tmp_path: Path) -> None:
    group = Group("", (("paper/dual/ours", "both"), ("paper/dual/no-md", "no MD")))
    runs = {recipe: [run(tmp_path / label, [1.0, 7.0], "class_score")] for recipe, label in group.lines}
    *_, table = draw(shown(Final("inception_score|class_score"), group), runs, tmp_path / "test", "small")
    assert table.read_text(encoding="utf-8").count(",7.0") == 2
    assert published("inception_score")["paper/dual/no-md"].mean == 6.95


def test_images_stand_side_by_side(tmp_path: Path) -> None:
    group = Group("CIFAR", (("paper/dual/ours", "both"), ("paper/dual/md", "MD")))
    runs = {}
    for recipe, label in group.lines:
        made = RunFolder(tmp_path / label)
        made.samples.mkdir(parents=True)
        Image.new("RGB", (16, 16), (200, 30, 30)).save(made.samples / "000000100.png")
        (made.samples / "000000200.png").write_bytes(b"cut short")
        runs[recipe] = [made]
    *_, kept = draw(shown(Grids(), group), runs, tmp_path / "test", "small")
    with np.load(kept) as arrays:
        assert set(arrays) == {"CIFAR, both, iteration 100", "CIFAR, MD, iteration 100"}


def test_surfaces_of_a_discriminator_alone_beside_the_best(tmp_path: Path) -> None:
    """D with a bias alone says one number everywhere: its distance from D*, which torch's densities give."""
    lines = (("two-gaussians/none", "none"), ("two-gaussians/r1", "r1"))
    runs: dict[str, list[RunFolder]] = {}
    for value, (recipe, _) in zip((0.5, 0.8), lines, strict=True):
        words = ["discriminator.depth=0", "evaluate.n=100", "threads=1"]
        for seed in range(2):
            settings = override(RECIPES[recipe](seed, scale="small"), words)
            made = build.trainer(settings, tmp_path / recipe / str(seed))
            D = made.setup.networks[1]
            with torch.no_grad():
                for p in D.parameters():
                    p.fill_(math.log(value / (1 - value)) if p.shape == (1,) else 0.0)
            made.fit(0)
            runs.setdefault(recipe, []).append(RunFolder(tmp_path / recipe / str(seed)))
    paths = draw(shown(Surfaces(-2.5, 4.5), Group("", lines)), runs, tmp_path / "out" / "test", "small")
    assert [path.suffix for path in paths] == [".png", ".pdf", ".npz", ".csv"]
    axis = torch.linspace(-2.5, 4.5, 100, dtype=torch.float64)
    at = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), -1)  # row 0 is the lowest
    real, fake = (
        MultivariateNormal(*(torch.tensor(part, dtype=torch.float64) for part in told)).log_prob(at)
        for told in (TWO_GAUSSIANS_REAL, TWO_GAUSSIANS_FAKE)
    )
    best = torch.sigmoid(real - fake).numpy()
    with np.load(paths[2]) as arrays:
        assert set(arrays) == {"none", "r1", "best", "extent"}
        assert np.allclose(arrays["best"], best, atol=1e-5)
        assert np.allclose(arrays["r1"], 0.8, atol=1e-6)
        assert arrays["none"].shape == (2, 100, 100)
    with paths[3].open(encoding="utf-8") as file:
        rows = [*csv.DictReader(file)]
    assert len(rows) == 8
    for row in rows:
        value = 0.8 if row["label"] == "r1" else 0.5
        if row["quantity"] == "distance over the square":
            assert float(row["value"]) == pytest.approx(np.abs(best - value).mean(), abs=1e-5)
    title = apart([value_of(folder, Surfaces(-2.5, 4.5)) for folder in runs["two-gaussians/none"]])
    assert title.startswith(f"{np.abs(best - 0.5).mean():.3f} ± 0.000 from the best,\n")


def test_surfaces_of_a_run_with_a_generator_are_refused(tmp_path: Path) -> None:
    words = ["evaluate.n=100", "threads=1"]
    build.trainer(override(RECIPES["ring8/nsgan"](), words), tmp_path / "run").fit(0)
    figure = shown(Surfaces(-1.0, 1.0), Group("", ((RING, "far"),)))
    with pytest.raises(InputError, match="expected one discriminator of two known densities in"):
        draw(figure, {RING: [RunFolder(tmp_path / "run")]}, tmp_path / "test", "full")


def test_what_is_missing_is_one_line(tmp_path: Path) -> None:
    nothing = {recipe: [RunFolder(tmp_path / "nothing")] for recipe, _ in BOTH.lines}
    for drawing, words in (
        (Clouds((0,)), "expected samples in"),
        (Grids(), "expected samples in"),
        (Surfaces(0.0, 1.0), "holds no run"),
        (Curves(("balance",)), f"expected balance in the records of {RING}"),
    ):
        with pytest.raises(InputError, match=words):
            draw(shown(drawing, BOTH), nothing, tmp_path / "test", "small")


def test_of_damaged_samples_the_nearest_sound_ones_are_drawn(tmp_path: Path) -> None:
    made = run(tmp_path / "run", [0.0] * 3)
    (made.samples / "000000200.npz").write_bytes(b"cut short")
    *_, kept = draw(
        shown(Clouds((500_000,), arrows=True), Group("", ((RING, "far"),))), {RING: [made]}, tmp_path / "t", "small"
    )
    with np.load(kept) as arrays:
        assert "far, 100: points" in arrays
