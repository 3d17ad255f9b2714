"""What runs and what is said of them look like where they are printed, and in a notebook."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from torch import nn

import steadygan as sg
from steadygan.commands.tables.results import show_groups


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[sg.Trainer, Any, Path]:
    folder = tmp_path_factory.mktemp("shown") / "run"
    torch.manual_seed(0)
    G, D = nn.Linear(2, 2), nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 1))
    more: dict[str, Any] = {"evaluate_n": 200, "log_every": 10, "evaluate_every": 20, "device": "cpu", "threads": 1}
    made = sg.Trainer(G, D, sg.data.ring8(n=300), latent_dim=2, penalties=[sg.penalties.r1(0.1)], out=folder, **more)
    before = repr(made)
    assert before.startswith(
        "Trainer of ring8: not trained yet\nG: Linear, 6 parameters\nD: Sequential, 33 parameters;"
    )
    assert "<svg " in made._repr_html_()
    return made, made.fit(20, progress=False), folder


def test_a_run(trained: tuple[sg.Trainer, Any, Path]) -> None:
    made, run, folder = trained
    first, second, third, *rows = repr(run).splitlines()
    assert first == f"Run ring8, seed 0: 20 iterations in {folder}"
    assert second.startswith("learning")
    assert "of 8 modes" in second
    assert third == f"more: run.sample(8), run.metrics, sg.report({str(folder)!r})"
    assert len(rows) == 5
    assert rows[0].split() == ["final", "best", "at", "real", "data"]
    assert "<svg " in run._repr_html_()
    assert repr(made).startswith("Trainer of ring8: 20 iterations done: learning")


def test_a_run_read_back_is_the_same(trained: tuple[sg.Trainer, Any, Path]) -> None:
    made, run, folder = trained
    again = sg.load(folder, G=made.setup.G, D=made.setup.opponents["D"].critic)
    assert repr(again) == repr(run)
    assert again._repr_html_() == run._repr_html_()
    (folder / "real.npz").write_bytes(b"damaged")
    assert "<svg " in sg.load(folder, G=made.setup.G, D=made.setup.opponents["D"].critic)._repr_html_()


def test_a_discriminator_alone_has_no_samples_to_show() -> None:
    x = torch.randn(64, 2, generator=torch.Generator().manual_seed(0))
    made = sg.Trainer(None, nn.Linear(2, 1), x, fakes=x + 1, log_every=10, evaluator=None, threads=1, device="cpu")
    run = made.fit(10, progress=False)
    assert "run.sample" not in repr(run)
    assert "<svg " not in run._repr_html_()


def test_sources_of_points_and_images() -> None:
    points = sg.data.grid25()
    assert repr(points) == "Source grid25: unlimited samples of shape (2,)\n25 modes\non cpu, float32"
    assert "#0072B2" in points._repr_html_()  # real: blue
    digits = sg.data.digits()
    lines = repr(digits).splitlines()
    assert lines[0].endswith("images of shape (1, 8, 8)")
    assert "10 classes" in lines[1]
    assert "data:image/png;base64," in digits._repr_html_()


def test_an_evaluation_and_a_diagnosis(trained: tuple[sg.Trainer, Any, Path]) -> None:
    _, run, folder = trained
    found = sg.evaluate(run, sg.data.ring8(n=300), n=200)
    lines = repr(found).splitlines()
    assert lines[0].endswith("against ring8")
    assert any(line.startswith("Modes found ") and line.endswith(" 8") for line in lines)
    assert "<svg " in found._repr_html_()
    told = sg.diagnose(run.G, run.D, sg.data.ring8(n=300), latent_dim=2)
    assert repr(told).splitlines()[:1] == ["Diagnosis"]
    assert told.state.replace("_", " ") in repr(told)
    assert "<svg " in told._repr_html_()
    of_run = sg.diagnostics.diagnosis.of_run(folder)
    assert repr(of_run).startswith(f"Diagnosis of {folder}\nlearning")
    assert ("data:image/png;base64," in of_run._repr_html_()) == (folder / "figures" / "latest.png").exists()


def test_a_verdict_says_its_advice_once() -> None:
    said = sg.Verdict("losing", "much is lost: lr_d=2e-4", {"covered": 0.41}, 200, "lr_d=2e-4", ("d_steep",))
    assert repr(said).splitlines() == [
        "Verdict", "losing (D steep), since iteration 200", "much is lost: lr_d=2e-4", "evidence", "covered   0.410",
    ]  # fmt: skip
    assert "what helps: lr_d=2e-4" in repr(said._replace(reason="much is lost"))
    assert repr(sg.Verdict("good")).splitlines() == ["Verdict", "good"]
    assert "color:#c62828" in said._repr_html_()


GROUPS = [
    ("balance", [(f"paper/a-rather-long/recipe-{name}", "0.842 ± 0.011", "0.9", "", "1") for name in ("one", "two")]),
    ("wall time", [("paper/a-rather-long/recipe-one", "1:02:03 (8 side by side)")]),
]


@pytest.mark.parametrize("width", [40, 60, 80, 140])
def test_no_name_is_cut_where_recipes_stand_side_by_side(width: int) -> None:
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=True, color_system=None, markup=False, highlight=False)
    show_groups(console, "8,000 iterations, 3 seeds", ("final", "best", "peak", "real data"), GROUPS)
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    for _, rows in GROUPS:
        for name, *cells in rows:
            assert any(name in line for line in lines)
            assert all(any(cell in line for line in lines) for cell in cells if len(cell) < 20)
    assert ("┃" in out.getvalue()) == (width == 140)


def test_the_picture_of_a_page_can_be_read() -> None:
    """Digits as they are: 16 of them in two rows."""
    glimpse = sg.data.digits()._glimpse()
    assert glimpse is not None
    assert len(glimpse.images) == 16
    assert "data:image/png" in glimpse.html()
