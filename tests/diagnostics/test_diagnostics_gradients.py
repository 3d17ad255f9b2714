"""What the generator receives: by hand for linear and quadratic critics, and nothing left behind."""

import math

import pytest
import torch
from torch import nn

from steadygan.diagnostics import generator_gradient, gradient_figures
from steadygan.diagnostics.gradients import log_slopes
from steadygan.errors import InputError
from steadygan.losses import (
    Hinge,
    LeastSquares,
    Minimax,
    NonSaturating,
    RelativisticAverage,
    RelativisticPairing,
    Wasserstein,
)
from steadygan.types import Batch, critic

W = torch.tensor([3.0, -4.0], dtype=torch.float64)  # norm 5


def linear(x):
    return x @ W + 0.5


def samples(n, seed=0, dim=2):
    return torch.randn(n, dim, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_figures_by_hand():
    norms = torch.tensor([1.0, 2.0, 3.0, 10.0])
    assert gradient_figures(norms) == {
        "mean": 4.0,
        "max": 10.0,
        "max_over_mean": 2.5,
        "top1_share": pytest.approx(10 / 16),  # at least one sample is the top 1 %
    }


@pytest.mark.parametrize(("n", "top"), [(1, 1), (99, 1), (100, 1), (101, 2), (1000, 10)])
def test_top_one_percent(n, top):
    norms = torch.arange(1.0, n + 1).flip(0)
    expected = sum(range(n - top + 1, n + 1)) / (n * (n + 1) / 2)
    assert gradient_figures(norms)["top1_share"] == pytest.approx(expected)


def test_equal_and_zero_norms_are_even():
    equal = gradient_figures(torch.full((200,), 3.0))
    assert equal == pytest.approx({"mean": 3.0, "max": 3.0, "max_over_mean": 1.0, "top1_share": 0.01})
    zero = gradient_figures(torch.zeros(200))
    assert zero == pytest.approx({"mean": 0.0, "max": 0.0, "max_over_mean": 1.0, "top1_share": 0.01})


def test_non_finite_norms_show():
    assert math.isinf(gradient_figures(torch.tensor([1.0, math.inf]))["max"])
    assert math.isnan(gradient_figures(torch.tensor([1.0, math.nan]))["mean"])


def test_no_norms():
    with pytest.raises(InputError, match="at least one"):
        gradient_figures(torch.zeros(0))


@pytest.mark.parametrize(
    ("loss", "slope"),  # |dL_G/dd| as a function of d
    [
        (NonSaturating(), lambda d: torch.sigmoid(-d)),
        (Minimax(), torch.sigmoid),
        (Wasserstein(), torch.ones_like),
        (Hinge(), torch.ones_like),
        (LeastSquares(), lambda d: (d - 1).abs()),
    ],
)
def test_linear_critic(loss, slope):
    y = samples(9)
    received, own = generator_gradient(linear, loss, Batch(y))
    torch.testing.assert_close(own, torch.full((9,), 5.0, dtype=torch.float64))
    torch.testing.assert_close(received, 5.0 * slope(linear(y)))
    assert not received.requires_grad


def test_quadratic_critic():
    y = samples(6)
    received, own = generator_gradient(lambda x: x.square().sum(1) / 2, NonSaturating(), Batch(y))
    norm = y.norm(dim=1)
    torch.testing.assert_close(own, norm)
    torch.testing.assert_close(received, torch.sigmoid(-(norm**2) / 2) * norm)


def test_extreme_logits():
    y = torch.tensor([[1e4, 0.0], [-1e4, 0.0]], dtype=torch.float64)
    received, own = generator_gradient(lambda x: x[:, 0], NonSaturating(), Batch(y))
    torch.testing.assert_close(own, torch.ones(2, dtype=torch.float64))
    torch.testing.assert_close(received, torch.tensor([0.0, 1.0], dtype=torch.float64))


def test_relativistic_pairs_treat_reals_as_constants():
    x, y = samples(7, 1), samples(7)
    received, own = generator_gradient(linear, RelativisticPairing(), Batch(y), Batch(x))
    torch.testing.assert_close(received, 5.0 * torch.sigmoid(linear(x) - linear(y)))
    torch.testing.assert_close(own, torch.full((7,), 5.0, dtype=torch.float64))


def test_more_values_than_fakes_count_as_n_times_their_mean():
    x, y = samples(8, 1), samples(4)  # fake i meets reals i and i + 4
    received, _ = generator_gradient(linear, RelativisticPairing(), Batch(y), Batch(x))
    slope = torch.sigmoid(linear(x) - linear(y).repeat(2)).view(2, 4).mean(0)
    torch.testing.assert_close(received, 5.0 * slope)


def test_batch_means_keep_their_part_in_the_gradient():
    x, y = samples(6, 1), samples(6)
    received, _ = generator_gradient(linear, RelativisticAverage(), Batch(y), Batch(x))
    d = linear(y).clone().requires_grad_()
    real = linear(x)
    value = nn.functional.softplus(real - d.mean()).sum() + nn.functional.softplus(-(d - real.mean())).sum()
    (slope,) = torch.autograd.grad(value, d)
    torch.testing.assert_close(received, 5.0 * slope.abs())


def test_missing_reals_and_missing_fakes():
    with pytest.raises(InputError, match="real"):
        generator_gradient(linear, RelativisticPairing(), Batch(samples(3)))
    with pytest.raises(InputError, match="at least one fake"):
        generator_gradient(linear, NonSaturating(), Batch(samples(0)))


def test_a_critic_that_ignores_its_input_gives_zeros():
    for flat in (lambda x: x.new_zeros(x.shape[0]), lambda x: (0.0 * x).sum(1).detach()):
        received, own = generator_gradient(flat, NonSaturating(), Batch(samples(3)))
        assert torch.equal(received, torch.zeros(3, dtype=torch.float64))
        assert torch.equal(own, torch.zeros(3, dtype=torch.float64))


def test_images_and_labels():
    class Labelled(nn.Module):
        def forward(self, x, label):
            return x.flatten(1).sum(1) * label

    y = torch.zeros(3, 1, 2, 2)
    _, own = generator_gradient(Labelled(), Wasserstein(), Batch(y, torch.tensor([0, 1, 3])))
    torch.testing.assert_close(own, torch.tensor([0.0, 2.0, 6.0]))


def networks():
    return {
        "batch norm": nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 1)),
        "spectral norm": nn.Sequential(
            nn.utils.parametrizations.spectral_norm(nn.Linear(2, 8)), nn.Tanh(), nn.Linear(8, 1)
        ),
        "dropout": nn.Sequential(nn.Linear(2, 8), nn.Dropout(0.5), nn.Linear(8, 1)),
    }


@pytest.mark.parametrize("name", ["batch norm", "spectral norm", "dropout"])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("wrapped", [True, False])
def test_nothing_is_left_behind(name, training, wrapped):
    torch.manual_seed(0)
    D = networks()[name].train(training)
    y = samples(16).float()
    expected = None
    if name != "dropout":
        x = y.clone().requires_grad_()
        reference = networks()[name].train(training)
        reference.load_state_dict(D.state_dict())
        (expected,) = torch.autograd.grad(reference(x).sum(), x)
    before = {key: value.clone() for key, value in D.state_dict().items()}
    random = torch.random.get_rng_state()
    with torch.no_grad():
        _, own = generator_gradient(critic(D) if wrapped else D, NonSaturating(), Batch(y))
        assert not torch.is_grad_enabled()
    assert torch.equal(torch.random.get_rng_state(), random)
    assert all(torch.equal(value, before[key]) for key, value in D.state_dict().items())
    assert all(parameter.grad is None for parameter in D.parameters())
    assert D.training == training
    assert y.grad is None
    assert not y.requires_grad
    if expected is not None:
        torch.testing.assert_close(own, expected.norm(dim=1))


def test_frozen_parameters_do_not_matter():
    D = networks()["spectral norm"].requires_grad_(False)
    _, own = generator_gradient(D, NonSaturating(), Batch(samples(5).float()))
    assert (own > 0).all()


def test_the_same_figures_every_time_even_with_dropout():
    torch.manual_seed(0)
    D = networks()["dropout"].train()
    y = Batch(samples(5).float())
    first, second = (generator_gradient(D, NonSaturating(), y)[1] for _ in range(2))
    assert torch.equal(first, second)


def test_the_way_that_fakes_are_asked_to_move() -> None:
    """grad log sigmoid(w x + b) = sigmoid(-(w x + b)) w, whatever became of the networks' own gradients."""
    x = samples(7)
    found = log_slopes(critic(linear), x)
    assert torch.allclose(found, torch.sigmoid(-linear(x))[:, None] * W, rtol=1e-12)
    assert not x.requires_grad
