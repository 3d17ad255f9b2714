"""A GAN trained elsewhere: each failure gets its name, the figures are those of the formulas, nothing is disturbed."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

import steadygan as sg
from steadygan.diagnostics.diagnosis import calm
from steadygan.errors import InputError

RING = sg.data.ring8()
DATA = RING.fresh(1500, torch.Generator().manual_seed(1))


def sampled(n: int, generator: torch.Generator) -> Tensor:
    """Latents that are fresh samples of the data: with nn.Identity as G, a perfect generator."""
    return RING.fresh(n, generator)


class Point(nn.Module):
    """A collapsed generator: next to one mode, whatever the latent."""

    def forward(self, z: Tensor) -> Tensor:
        return DATA[:1] + 1e-4 * z


class Line(nn.Module):
    """d(x) = slope * (first coordinate)."""

    def __init__(self, slope: float, dim: int = 2) -> None:
        super().__init__()
        self.direction = nn.Parameter(slope * torch.eye(dim)[0])

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.direction


def critic(seed: int = 0) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Linear(2, 16), nn.LeakyReLU(0.2), nn.Linear(16, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1)
        )


def perfect(D: nn.Module, **more: object) -> sg.Diagnosis:
    return sg.diagnose(nn.Identity(), D, DATA, latent=sampled, **more)


def test_a_generator_that_samples_the_data_is_good():
    found = perfect(critic())
    assert (found.state, found.causes, found.alarm, found.advice) == ("good", (), False, "")
    assert found.since is None
    assert found.figures["diversity"] == pytest.approx(1.0, abs=0.05)
    assert found.figures["batch_balance"] == pytest.approx(1.0, abs=0.1)
    assert found.real["diversity"] == pytest.approx(1.0, abs=0.05)
    assert found.real["batch_distance"] == 0.0
    assert found.figures["quality"] == pytest.approx(1.0, abs=0.06)
    assert found.reason.startswith("fakes serve ")
    assert found.reason.endswith("(1 is as good as real data)")


def test_a_generator_of_one_point_is_collapsed():
    found = sg.diagnose(Point(), critic(), DATA, latent_dim=2)
    assert (found.state, found.causes, found.alarm) == ("collapsed", ("fakes_alike",), True)
    assert found.evidence == {"diversity": found.figures["diversity"]}
    assert found.figures["quality"] == 0.0
    assert found.figures["served"] == pytest.approx(1 / 8, abs=0.02)  # of eight modes one
    assert found.evidence["diversity"] < 0.001
    assert found.advice
    assert found.reason.endswith(found.advice)


def test_a_discriminator_without_slope_is_dead():
    assert (perfect(Line(0.0)).state, perfect(Line(0.0)).causes) == ("stalled", ("d_dead",))
    dead = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 1))
    with torch.no_grad():
        dead[0].bias.fill_(-100.0)
    found = perfect(dead)
    assert (found.state, found.causes, found.alarm) == ("stalled", ("d_dead",), True)
    assert found.figures["dead_units"] == 1.0


def test_a_steep_discriminator_is_a_cause_where_fakes_are_not_good():
    """Steep at the fakes, and hardly at the reals: a D that is as steep everywhere is only on another scale."""

    class Cliff(Line):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward((x - 1.2).clamp(min=0.0))

    half = {"latent": lambda n, g: 1.5 + 0.5 * sampled(n, g)}
    found = sg.diagnose(nn.Identity(), Cliff(30.0), DATA, **half)
    assert (found.state, found.causes, found.alarm) == ("learning", ("d_steep",), False)
    assert found.evidence == {"steepness": found.figures["steepness"]}
    assert found.figures["steepness"] > 30.0
    gentle = sg.diagnose(nn.Identity(), Cliff(0.3), DATA, **half)
    everywhere = sg.diagnose(nn.Identity(), Line(30.0), DATA, **half)
    assert "d_steep" not in everywhere.causes
    assert (gentle.state, gentle.causes) == ("learning", ())
    assert perfect(Line(30.0)).causes == ()
    assert_close(found.figures["steepness"], 100.0 * gentle.figures["steepness"], rtol=1e-5, atol=0.0)


def test_broken_networks_are_not_finite():
    class Broken(nn.Module):
        def forward(self, z: Tensor) -> Tensor:
            return torch.where(torch.arange(len(z))[:, None] == 3, torch.nan, z)

    found = sg.diagnose(Broken(), critic(), DATA, latent_dim=2)
    assert (found.state, found.alarm) == ("non_finite", True)
    assert "NaN" not in json.dumps(found.plain(), allow_nan=False)


def test_the_figures_are_those_of_the_formulas():
    """A linear D: every gradient is known, and so are the losses."""
    seen: list[Tensor] = []

    class Kept(nn.Module):
        def forward(self, z: Tensor) -> Tensor:
            seen.append(z.clone())
            return z

    slope = 0.7
    found = sg.diagnose(Kept(), Line(slope), DATA, latent=sampled, n=300).figures
    y = torch.cat(seen)[:300].double().numpy()
    d = slope * y[:, 0]
    received = slope / (1.0 + np.exp(d))
    assert_close(found["d_gradient_mean"], slope, rtol=1e-6, atol=0.0)
    assert_close(found["d_gradient_max"], slope, rtol=1e-6, atol=0.0)
    assert_close(found["gradient_mean"], received.mean(), rtol=1e-5, atol=0.0)
    assert_close(found["gradient_max"], received.max(), rtol=1e-5, atol=0.0)
    assert_close(found["gradient_max_over_mean"], received.max() / received.mean(), rtol=1e-5, atol=0.0)
    assert_close(found["gradient_top1_share"], np.sort(received)[-3:].sum() / received.sum(), rtol=1e-5, atol=0.0)
    assert_close(found["g_loss"], np.log1p(np.exp(-d)).mean(), rtol=1e-5, atol=0.0)
    assert_close(found["g_off"], found["g_loss"] / np.log(2) - 1.0, rtol=1e-9, atol=1e-12)
    assert_close(found["accuracy_fake"], float((d < 0).mean()), rtol=1e-12, atol=0.0)
    assert_close(found["weight_norm_d"], slope, rtol=1e-6, atol=0.0)
    assert found["weight_norm_g"] == 0.0


def test_the_loss_decides_what_is_received_and_what_counts():
    D = Line(4.0)
    assert perfect(D, loss=sg.losses.Wasserstein()).figures["gradient_mean"] == pytest.approx(4.0, rel=1e-6)
    far = Line(2.0)
    apart = {"latent": lambda n, g: sampled(n, g) - torch.tensor([0.6, 0.0])}
    free = sg.diagnose(nn.Identity(), far, DATA, loss=sg.losses.Wasserstein(), **apart)
    assert free.figures["d_off"] < -0.3
    assert "d_off" not in free.evidence  # Wasserstein's loss has no scale


def test_held_out_samples_show_a_critic_that_knows_its_training_set():
    x = RING.fresh(40, torch.Generator().manual_seed(3))

    class Memory(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(()))

        def forward(self, y: Tensor) -> Tensor:
            return self.weight * (0.02 - torch.cdist(y, x).amin(1)) * 10.0

    others = RING.fresh(300, torch.Generator().manual_seed(4))
    with_others = sg.diagnose(nn.Identity(), Memory(), x, latent=sampled, held_out=others).figures
    assert with_others["overfitting_gap"] > 0.5
    assert "overfitting_gap" not in sg.diagnose(nn.Identity(), Memory(), x, latent=sampled).figures


def test_nothing_is_disturbed():
    G = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 2))
    D = nn.Sequential(nn.utils.spectral_norm(nn.Linear(2, 8)), nn.Dropout(0.3), nn.LeakyReLU(), nn.Linear(8, 1))
    G[1].eval()
    D[3].weight.requires_grad_(False)
    D[3].bias.grad = torch.ones(1)

    def state() -> list[object]:
        tensors = [copy.deepcopy(network.state_dict()) for network in (G, D)]
        modes = [part.training for network in (G, D) for part in network.modules()]
        flags = [
            (p.requires_grad, None if p.grad is None else p.grad.tolist()) for p in (*G.parameters(), *D.parameters())
        ]
        hooks = [len(part._forward_hooks) for network in (G, D) for part in network.modules()]
        return [tensors, modes, flags, hooks, torch.get_rng_state()]

    before = state()
    with torch.no_grad():
        first = sg.diagnose(G, D, DATA, latent_dim=2, seed=5)
    after = state()
    for old, new in zip(before[0], after[0], strict=True):
        assert old.keys() == new.keys()
        assert all(torch.equal(old[key], new[key]) for key in old)
    assert before[1:4] == after[1:4]
    assert torch.equal(before[4], after[4])
    torch.rand(7)
    assert sg.diagnose(G, D, DATA, latent_dim=2, seed=5) == first
    assert sg.diagnose(G, D, DATA, latent_dim=2, seed=6).figures != first.figures


def test_images_with_classes():
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (60, 1, 8, 8), generator=generator, dtype=torch.uint8)
    data = torch.utils.data.TensorDataset(pixels, torch.arange(60) % 3)

    class G(nn.Module):
        def forward(self, z: Tensor, label: Tensor) -> Tensor:
            return torch.tanh(z + label[:, None]).view(-1, 1, 8, 8)

    class D(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.full((3,), 0.1))

        def forward(self, x: Tensor, label: Tensor) -> Tensor:
            return self.weight[label] * x.sum((1, 2, 3))

    found = sg.diagnose(G(), D(), data, latent_dim=64, n=300)
    assert found.figures["d_gradient_mean"] == pytest.approx(0.1 * 8.0, rel=1e-5)
    with pytest.raises(InputError, match="takes labels"):
        sg.diagnose(G(), D(), pixels, latent_dim=64)


REFUSED = {
    "expected G as a torch.nn.Module, got function": {"G": lambda z: z},
    "expected D as a torch.nn.Module, got str": {"D": "D"},
    "expected either latent_dim": {"latent_dim": None},
    "give one": {"latent": sampled},
    "expected G to return samples of shape (2,), as the data's, got (3,)": {"G": nn.Linear(2, 3)},
    "G cannot take latents of shape (2,)": {"G": nn.Linear(5, 2)},
    "D cannot take samples of shape (2,)": {"D": nn.Linear(3, 1)},
    "the discriminator must return logits of each sample": {"D": nn.Sequential(nn.Linear(2, 2), nn.Flatten(0))},
    "expected held-out samples of shape (2,), as the data's, got (4,)": {"held_out": torch.zeros(9, 4)},
    "expected at least 4 training samples, got 3": {"data": DATA[:3]},
    "expected data as a tensor": {"data": "ring8"},
    "n must be a whole number": {"n": 1},
    "seed must be a whole number": {"seed": -1},
}


@pytest.mark.parametrize("expected", REFUSED)
def test_what_does_not_fit_is_told_in_one_line(expected):
    given = {"G": nn.Identity(), "D": critic(), "data": DATA, "latent_dim": 2} | REFUSED[expected]
    with pytest.raises(InputError) as told:
        sg.diagnose(given.pop("G"), given.pop("D"), given.pop("data"), **given)
    assert expected in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("state", "figures", "told"),
    [
        (
            "good",
            {"served": 0.875, "quality": 0.8},
            "fakes serve 88% of the data, their quality is 0.8 (1 is as good as real data)",
        ),
        (
            "learning",
            {"served": 0.5, "quality": 0.3},
            "fakes serve 50% of the data, their quality is 0.3 (1 is as good as real data), not good yet",
        ),
        (
            "good",
            {"served": 0.1, "quality": 0.1, "average_served": 1.0, "average_quality": 0.91},
            "the average's fakes serve 100% of the data, their quality is 0.91 (1 is as good as real data)",
        ),
        ("learning", {"d_gradient_mean": 1.0}, ""),
    ],
)
def test_what_is_said_of_a_run_without_an_alarm(state: str, figures: dict[str, float], told: str) -> None:
    assert calm(state, figures) == told
