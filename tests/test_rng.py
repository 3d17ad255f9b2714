"""torch's global generators, lent and given back."""

from __future__ import annotations

from itertools import islice

import torch
from torch import Tensor

from steadygan.devices import borrowed, kept
from steadygan.latents import CHUNK, chunks

CPU = torch.device("cpu")


def drawing(n: int, _: torch.Generator) -> Tensor:
    """A user's latent that draws from the global generator."""
    return torch.rand(n)


def test_a_loan_goes_on_where_it_stopped() -> None:
    with borrowed(7):
        whole = torch.rand(3 * CHUNK)
    loan, before = chunks(drawing, 7, CPU), torch.get_rng_state()
    pieces = []
    for piece in islice(loan, 3):
        pieces.append(piece)
        torch.rand(5)  # the host draws in between
    assert torch.equal(torch.cat(pieces), whole)
    torch.set_rng_state(before)
    next(loan)
    assert torch.equal(torch.get_rng_state(), before)


def test_two_loans_do_not_know_of_each_other() -> None:
    one, other = chunks(drawing, 1, CPU), chunks(drawing, 1, CPU)
    first = next(one)
    assert torch.equal(next(other), first)
    assert not torch.equal(next(one), first)


def test_what_is_kept_goes_on_inside() -> None:
    before = torch.get_rng_state()
    with kept():
        a, b = torch.rand(2), torch.rand(2)
    assert not torch.equal(a, b)
    assert torch.equal(torch.get_rng_state(), before)
