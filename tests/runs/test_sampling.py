"""Samples: the first n of an endless sequence that a seed defines, and nothing moved by drawing them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import steadygan as sg
from steadygan.errors import InputError
from steadygan.latents import CHUNK, generate, latents
from steadygan.runs.run import Run
from tiny import assert_same, built, networks, points, small_d, trainer, weights

CPU = torch.device("cpu")


def normal(n: int, generator: torch.Generator) -> Tensor:
    return torch.randn(n, 2, generator=generator)


def run_of(G: nn.Module, **more) -> Run:
    average, D = networks(9)
    return Run(path=None, G=average, G_live=G, D=D, latent=normal, settings={}, metrics=[], **more)


def coupled() -> nn.Module:
    """In training, a sample depends on the others; it draws from the global generator, too."""
    (network,) = built(0, lambda: nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 2)))
    return network.train()


@pytest.mark.parametrize("kind", ["ema", "live"])
@pytest.mark.parametrize("n", [1, 8, CHUNK - 1, CHUNK, CHUNK + 1])
def test_a_longer_sample_begins_like_a_shorter_one(kind, n):
    run = run_of(coupled())
    long = run.sample(600, seed=3, weights=kind)
    assert long.shape == (600, 2)
    assert torch.equal(long[:n], run.sample(n, seed=3, weights=kind))
    assert not torch.equal(long[:n], run.sample(n, seed=4, weights=kind))


def test_64_and_8():
    run = trainer().fit(10)
    assert torch.equal(run.sample(64, 5)[:8], run.sample(8, 5))
    assert torch.equal(run.sample(8), run.sample(8, seed=0))


def test_are_the_generators_at_the_seeds_latents():
    run = run_of(networks()[0])
    z = torch.randn(CHUNK, 2, generator=torch.Generator().manual_seed(12))
    with torch.no_grad():
        assert torch.equal(run.sample(5, 12, weights="live"), run.G_live(z)[:5])
        assert torch.equal(run.sample(5, 12), run.G(z)[:5])


def test_drawing_leaves_everything_as_it_was():
    G = coupled()
    G[2].eval()
    run = run_of(G)
    before, modes = weights(G), [m.training for m in G.modules()]
    torch.manual_seed(4)
    expected = torch.rand(3)
    torch.manual_seed(4)
    x = run.sample(30, weights="live")
    assert torch.equal(torch.rand(3), expected)
    assert not x.requires_grad
    assert [m.training for m in G.modules()] == modes
    assert_same(weights(G), before)


def test_a_buffer_that_moves_in_eval_mode_is_put_back():
    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("calls", torch.zeros(()))

        def forward(self, z: Tensor) -> Tensor:
            self.calls += 1
            return z

    network = Counting()
    generate(network, torch.zeros(600, 2), 600)
    assert network.calls == 0


def test_a_latent_that_draws_from_the_global_generator_is_seeded_too():
    def careless(n: int, generator: torch.Generator) -> Tensor:
        return torch.randn(n, 2)

    first, again, other = (latents(careless, 5, seed, CPU) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_come_in_the_datas_units():
    data = sg.data.from_user(points() * 100.0 + 1e4).standardised()
    run = trainer(data=data).fit(5)
    x = run.sample(200)
    assert 9e3 < x.mean() < 1.1e4
    torch.testing.assert_close(x, data.restore(generate(run.G, latents(run._latent, 200, 0, CPU), 200)))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"n": 0}, "n must be a whole number of 1 or more, not 0"),
        ({"n": -3}, "n must be a whole number of 1 or more, not -3"),
        ({"n": 2.5}, "n must be a whole number of 1 or more, not 2.5"),
        ({"n": 3, "weights": "best"}, "weights must be 'ema' or 'live', not 'best'"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments, told):
    with pytest.raises(InputError) as error:
        run_of(small_d()).sample(**arguments)
    assert told in str(error.value)
