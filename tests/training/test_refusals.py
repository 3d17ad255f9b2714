"""What one gets wrong with modules, data and numbers of one's own is told in one line, before training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import steadygan as sg
from steadygan.engine import compiler as compiling
from steadygan.errors import InputError
from steadygan.types import Opponent


def pair() -> tuple[nn.Module, nn.Module]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return sg.models.mlp(2, 2, width=8), sg.models.mlp(2, 1, width=8)


def trainer(data: torch.Tensor, **arguments: Any) -> sg.Trainer:
    G, D = arguments.pop("networks", None) or pair()
    return sg.Trainer(G, D, data, **({"latent_dim": 2, "evaluator": None, "batch_size": 8} | arguments))


def test_what_needs_a_newer_torch_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "OLDEST", (99, 1))
    said = rf"^expected torch 99\.1 or newer to compile steps, got {torch.__version__}: set compile=off, or upgrade"
    with pytest.raises(InputError, match=said.replace("+", r"\+")):
        trainer(points(), compile="on")
    run = trainer(points(), compile="auto", horizon=10**9).fit(1)
    assert run.notes == [f"compile=off: expected torch 99.1 or newer to compile steps, got {torch.__version__}"]


def points(seed: int = 0) -> torch.Tensor:
    return torch.randn(50, 2, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("networks", "said"),
    [
        ((nn.Linear(2, 2), nn.Linear(3, 1)), "discriminator cannot take samples of shape"),
        ((nn.Linear(5, 2), nn.Linear(2, 1)), "generator cannot take latents of shape"),
    ],
)
def test_a_wrong_input_width_is_told(networks: tuple[nn.Module, nn.Module], said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        trainer(points(), networks=networks).fit(1)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "make",
    [
        lambda: sg.methods.FakeAsReal(8.5),
        lambda: sg.methods.FakeAsReal("8"),
        lambda: sg.methods.FakeAsReal(8, factor=0),
        lambda: sg.penalties.r1("3"),
        lambda: sg.penalties.r1(float("inf")),
        lambda: sg.penalties.r1(3, interval=1.5),
        lambda: sg.losses.LeastSquares(a=float("nan")),
        lambda: Opponent(nn.Linear(2, 1), sg.losses.Hinge(), weight=-1),
        lambda: trainer(points(), lr_g=float("inf")),
        lambda: trainer(points(), lr_g="a"),
        lambda: trainer(points(), lr_d=0),
        lambda: trainer(points(), seed=-1),
    ],
)
def test_numbers_out_of_range_are_told(make: Any) -> None:
    with pytest.raises(InputError, match=r"must be|expected .*, got"):
        make()


def test_resuming_on_other_data_of_the_same_shape_is_told(tmp_path: Path) -> None:
    trainer(points(), out=tmp_path / "run").fit(5)
    with pytest.raises(InputError, match="trained on other data"):
        trainer(points(1), out=tmp_path / "run", resume=True).fit(10)
    assert trainer(points(), out=tmp_path / "run", resume=True).fit(10).iteration == 10


@pytest.mark.usefixtures("drawn_figures")
def test_a_constant_coordinate_draws_its_figures(tmp_path: Path) -> None:
    data = points()
    data[:, 0] = 3.0
    trainer(data, out=tmp_path / "run", log_every=5, evaluate_every=5).fit(5)
    assert (tmp_path / "run" / "figures" / "evolution.png").stat().st_size > 1000


def test_losses_are_means_over_all_d_steps() -> None:
    """A D that cannot move: each D step's loss is softplus of the same two means, whatever the number of steps."""
    seen: list[torch.Tensor] = []

    class Recorded(sg.losses.NonSaturating):
        def d(self, real: torch.Tensor, fake: torch.Tensor) -> Any:
            terms = super().d(real, fake)
            seen.append((terms["real"].value.mean() + terms["fake"].value.mean()).detach())
            return terms

    run = trainer(points(), loss=Recorded(), d_steps=3, log_every=1, lr_d=1e-9).fit(1)
    during = [float(value) for value in seen[:3]]
    assert run.metrics[-1]["d_loss"] == pytest.approx(sum(during) / 3, abs=1e-6)
    assert max(during) - min(during) > 1e-4
