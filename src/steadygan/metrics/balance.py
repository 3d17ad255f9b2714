"""Whether fakes spread over the training samples as evenly as new real samples do."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..errors import InputError
from .neighbours import NearestNeighbour


@dataclass(frozen=True, eq=False)
class Balance:
    """Compares fakes with `fresh` reals (m, *shape) by the `training` sample (n, *shape) nearest to each [tao2020].

    The cells of m fakes give a histogram p, those of the fresh samples a histogram q:
    balance = exp(H(p)) / exp(H(q)), 1 when fakes are as even as real data; balance_tv = 1/2 sum_i |p_i - q_i|.
    The perplexity exp(H) grows with the number of samples, so both sides have the same number: fakes beyond m are
    measured in groups of m and averaged, and with fewer than m fakes only as many fresh ones are used.
    """

    training: Tensor
    fresh: Tensor
    _lookup: NearestNeighbour = field(init=False, repr=False)
    _cells: Tensor = field(init=False, repr=False)  # (m,): cell of each fresh sample

    def __post_init__(self) -> None:
        if self.fresh.shape[0] == 0:
            raise InputError("expected at least one fresh real sample to compare fakes with, got none: draw some")
        object.__setattr__(self, "_lookup", NearestNeighbour(self.training))
        object.__setattr__(self, "_cells", self._lookup.assign(self.fresh))

    @torch.no_grad()
    def __call__(self, fakes: Tensor) -> dict[str, float]:
        """balance and balance_tv of fakes (k, *shape); raises InputError when there are none."""
        if fakes.shape[0] == 0:
            raise InputError("expected at least one fake to measure the balance of, got none: draw some")
        group = min(fakes.shape[0], self._cells.shape[0])
        real = _shares(self._cells[:group], self._lookup.size)
        cells = self._lookup.assign(fakes)
        count = cells.shape[0] // group  # an incomplete last group is left out
        shares = [_shares(part, self._lookup.size) for part in cells[: count * group].chunk(count)]
        even = sum(perplexity(fake) for fake in shares) / count
        apart = sum(float((fake - real).abs().sum()) / 2 for fake in shares) / count
        return {"balance": even / perplexity(real), "balance_tv": apart}


def balance(fakes: Tensor, training: Tensor, fresh: Tensor) -> dict[str, float]:
    """`Balance(training, fresh)(fakes)`, once [tao2020]."""
    return Balance(training, fresh)(fakes)


def _shares(cells: Tensor, size: int) -> Tensor:
    return cells.bincount(minlength=size).cpu().to(torch.float64) / cells.shape[0]


def perplexity(shares: Tensor) -> float:
    """exp(H) of shares (n,), in effectively used ones."""
    return float(torch.special.entr(shares).sum().exp())  # entr(0) = 0
