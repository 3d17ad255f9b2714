"""torch's global generators, lent and given back."""

from __future__ import annotations

import torch

from steadygan.devices import Borrowed, borrowed, kept

CPU = torch.device("cpu")


def test_a_loan_goes_on_where_it_stopped() -> None:
    with borrowed(7):
        whole = torch.rand(6)
    loan, before = Borrowed(7, CPU), torch.get_rng_state()
    pieces = []
    for _ in range(3):
        with loan.again():
            pieces.append(torch.rand(2))
        torch.rand(5)  # the host draws in between
    assert torch.equal(torch.cat(pieces), whole)
    torch.set_rng_state(before)
    with loan.again():
        torch.rand(1)
    assert torch.equal(torch.get_rng_state(), before)


def test_two_loans_do_not_know_of_each_other() -> None:
    one, other = Borrowed(1, CPU), Borrowed(1, CPU)
    with one.again():
        first = torch.rand(3)
    with other.again():
        assert torch.equal(torch.rand(3), first)


def test_what_is_kept_goes_on_inside() -> None:
    before = torch.get_rng_state()
    with kept():
        a, b = torch.rand(2), torch.rand(2)
    assert not torch.equal(a, b)
    assert torch.equal(torch.get_rng_state(), before)
