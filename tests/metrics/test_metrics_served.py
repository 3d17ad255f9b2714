"""The share of the data that fakes serve: closed forms, what chance takes from it, its standard error, and refusals."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from known import tensor
from steadygan.errors import InputError
from steadygan.metrics.modes import served

MANY = 10**9  # reals, so that nothing of their number is left in a figure
EVEN = torch.full((8,), MANY)


def drawn(p: Tensor, n: int, draws: int, seed: int) -> Tensor:
    """Counts (draws, parts) of n independent samples each."""
    generator = torch.Generator().manual_seed(seed)
    where = torch.multinomial(p.expand(draws, -1), n, replacement=True, generator=generator)
    return torch.stack([row.bincount(minlength=len(p)) for row in where])


@pytest.mark.parametrize("parts", [1, 2, 4, 7, 8])
def test_an_even_share_of_the_data(parts: int) -> None:
    """exp(-KL) = parts / 8, and what is owed to 400 fakes is put back."""
    counts = torch.zeros(8)
    counts[:parts] = MANY
    assert served(counts, EVEN)[0] == pytest.approx(parts / 8, rel=1e-7)
    few = torch.zeros(8)
    few[:parts] = 400 / parts
    assert served(few, EVEN)[0] == pytest.approx(min(1.0, parts / 8 * math.exp(3.5 / 400)), rel=1e-7)


def test_what_is_missed_weighs_as_much_as_it_has() -> None:
    """Fakes like reals but for a part with a share of w: 1 - w is served."""
    reals = tensor([0.5, 0.3, 0.15, 0.05]) * MANY
    for missed in range(4):
        fakes = reals.clone()
        fakes[missed] = 0
        assert served(fakes, reals)[0] == pytest.approx(1 - float(reals[missed]) / MANY, rel=1e-6)
    assert served(reals, reals)[0] == pytest.approx(1.0, abs=1e-8)


def test_fakes_where_no_real_was_seen_have_a_finite_price() -> None:
    """Half a sample: q = 0.5 / (n + 1) of two parts."""
    share, _ = served(tensor([0.0, MANY]), tensor([99.0, 0.0]))
    assert share == pytest.approx(0.5 / 100 * math.exp(0.5 / 99), rel=1e-6)


def test_chance_does_not_make_it_less() -> None:
    """The mean of -log(share) over draws is the KL of what they are drawn from."""
    p, q = torch.softmax(torch.linspace(-0.8, 0.8, 8), 0), torch.full((8,), 1 / 8)
    kl = float((p * (p / q).log()).sum())
    fakes, reals = drawn(p, 256, 500, 0), drawn(q, 512, 500, 1)
    found = torch.tensor([-math.log(served(y, x)[0]) for y, x in zip(fakes, reals, strict=True)])
    error = float(found.std()) / math.sqrt(500)
    assert 6 * error < 7 / 2 * (1 / 256 + 1 / 512)  # what it would be off by
    assert abs(float(found.mean()) - kl) < 4 * error


@pytest.mark.parametrize("tilt", [0.0, 0.8])
def test_its_error_is_its_deviation_over_draws(tilt: float) -> None:
    p, q = torch.softmax(torch.linspace(-tilt, tilt, 8), 0), torch.full((8,), 1 / 8)
    pairs = zip(drawn(p, 256, 500, 2), drawn(q, 512, 500, 3), strict=True)
    shares, errors = torch.tensor([served(y, x) for y, x in pairs]).T
    told = float(errors.mean())
    if tilt:
        assert float(shares.std()) == pytest.approx(told, rel=0.25)
    else:  # cut off at 1
        assert 0.3 * told < float(shares.std()) < told
        assert float((shares < 1 - 4 * told).double().mean()) == 0.0


def test_what_does_not_fit_is_refused() -> None:
    for counts, reference, told in (
        (torch.ones(3), torch.ones(4), r"counts of the same parts, got \(3,\) and \(4,\)"),
        (torch.ones(2, 2), torch.ones(2, 2), "counts of the same parts"),
        (torch.zeros(3), torch.ones(3), "expected fakes and reals, got 0 and 3"),
        (torch.ones(3), torch.zeros(3), "expected fakes and reals, got 3 and 0"),
    ):
        with pytest.raises(InputError, match=told):
            served(counts, reference)
