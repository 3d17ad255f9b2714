"""Whether D gives low logits where there are too many fakes, and whether fake-as-real chooses its samples there."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..errors import InputError

LEAST = 3  # cells: two are always in perfect order
ROUNDING = 1e-6  # coverages that differ by no more of themselves are equal: `expected` may come in float32


@torch.no_grad()
def over_coverage(logits: Tensor, cells: Tensor, expected: Tensor) -> float | None:
    """Spearman's rank correlation of a cell's mean logit with its over-coverage, over the cells that hold a fake.

    logits (n,) of fakes that lie in cells (n,), numbered from 0; expected (c,) is what each cell should hold, in any
    unit: ones for the real samples of a batch, shares for modes. Over-coverage of a cell = its fakes / its expected
    number. rho = cov(r, s) / (std r std s) of the ranks r and s, with the mean rank for ties: -1 where D rates the more
    over-covered cell always lower, as [tao2020, footnote 2] argues of the best D, +1 where higher. None where it is not
    defined: fewer than three cells with fakes, one side constant, or logits that are not finite. Raises InputError for
    cells that do not fit the logits or `expected`, and for an `expected` below 0 or 0 everywhere.
    """
    d = logits.detach().flatten().to("cpu", torch.float64)
    if d.shape != cells.shape:
        raise InputError(f"expected one cell per logit, got {tuple(cells.shape)} for {d.shape[0]}: pass cells (n,)")
    where, share = _cells(cells, expected)
    count = where.bincount(minlength=share.shape[0])
    held = count > 0
    if int(held.sum()) < LEAST or not bool(d.isfinite().all()):
        return None
    off = torch.zeros_like(share).index_add_(0, where, d - d[0])  # from the first: equal logits have equal means
    a, b = _ranks(off[held] / count[held], 0.0), _ranks(count[held] / share[held], ROUNDING)
    a, b = a - a.mean(), b - b.mean()
    size = float(a.square().sum() * b.square().sum())
    return float((a * b).sum()) / math.sqrt(size) if size > 0.0 else None


@torch.no_grad()
def chosen_over_covered(chosen_cells: Tensor, cells: Tensor, expected: Tensor) -> float:
    """The share of chosen samples, in chosen_cells (k,), that lie in cells with more fakes than expected [tao2020].

    cells (n,) are those of the fakes by which coverage is judged, expected (c,) what each cell should hold, in any
    unit: cell i is over-covered if it holds over n expected_i / sum expected of them. Compared with the share of all
    fakes there, chosen_over_covered(cells, cells, expected), it shows whether fake-as-real chooses where it
    should. Raises InputError when nothing is chosen, there are no fakes, or as `over_coverage` does.
    """
    where, share = _cells(cells, expected)
    chosen, _ = _cells(chosen_cells, expected)
    if chosen.shape[0] == 0 or where.shape[0] == 0:
        raise InputError(
            f"expected chosen samples and fakes to compare them with, got {chosen.shape[0]} and {where.shape[0]}: "
            "pass one or more of each"
        )
    over = where.bincount(minlength=share.shape[0]) > where.shape[0] * share * (1.0 + ROUNDING)
    return int(over[chosen].sum()) / chosen.shape[0]


def _cells(cells: Tensor, expected: Tensor) -> tuple[Tensor, Tensor]:
    """Both checked and on the CPU, `expected` as shares."""
    share = expected.detach().to("cpu", torch.float64)
    total = float(share.sum())
    if share.ndim != 1 or not bool((share >= 0).all()) or not 0 < total < math.inf:
        raise InputError("expected `expected` (c,) to be finite numbers of 0 or more, not all of them 0: correct it")
    if cells.ndim != 1 or cells.is_floating_point() or cells.dtype == torch.bool:
        raise InputError(f"expected cells (n,) as whole numbers, got {tuple(cells.shape)} {cells.dtype}: convert them")
    where = cells.to("cpu", torch.int64)
    if where.numel() and not 0 <= int(where.min()) <= int(where.max()) < share.shape[0]:
        raise InputError(
            f"expected cells from 0 to {share.shape[0] - 1}, got {int(where.min())} to {int(where.max())}: "
            "pass `expected` for every cell"
        )
    return where, share / total


def _ranks(values: Tensor, rounding: float) -> Tensor:
    """Ranks from 1 on, float64; values that differ by no more than `rounding` of themselves share their mean rank."""
    ordered, order = values.sort()
    tied = torch.isclose(ordered[1:], ordered[:-1], rtol=rounding, atol=0.0)
    group = torch.cat([tied.new_zeros(1), ~tied]).cumsum(0)
    size = group.bincount()
    mean = size.cumsum(0) - (size - 1) / 2.0
    return torch.empty_like(values).scatter_(0, order, mean[group].to(values))
