"""All distances between two sets of samples, a cache-sized block at a time, and which of them are below a radius."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..errors import InputError, NonFiniteError

FEW = 8  # up to so many coordinates, summing squared differences beats a matrix product, and is exact for near pairs
CPU_BLOCK = 1 << 18  # elements: two float32 buffers of this size stay in a core's second-level cache
DEVICE_BLOCK = 1 << 25
TILE, DEVICE_TILE = 1 << 10, 1 << 12  # rows and columns of a tile of squares in float64: 8 MB, 128 MB
OPERAND = 1 << 23  # elements of the samples of a tile's rows or columns: 64 MB
TIE = 2.0**-26  # squares that differ by this part of themselves are equal: a digit beyond what float32 tells
EPS = 2.0**-52
SMALLEST = 1e-300  # squares below it are 0: a ball without a radius still holds what equals its centre


def rows_per_block(columns: int, device: torch.device) -> int:
    """Rows of a block of distances to `columns` samples."""
    budget = CPU_BLOCK if device.type == "cpu" else DEVICE_BLOCK
    return max(1, budget // max(1, columns))


def distance_blocks(a: Tensor, b: Tensor, rows: int | None = None) -> Iterator[Tensor]:
    """Euclidean distances ||a_i - b_j|| from consecutive rows of `a` to all of `b`, in blocks (rows, m).

    a (n, dim), b (m, dim), of one floating dtype and device. A block is overwritten by the next. Call it under no_grad.
    """
    return (_root(block) for block in square_blocks(a, b, rows))


def square_blocks(a: Tensor, b: Tensor, rows: int | None = None) -> Iterator[Tensor]:
    """The squares of `distance_blocks`, which order samples as the distances do and cost less."""
    rows = rows or rows_per_block(b.shape[0], b.device)
    total = torch.empty(min(rows, a.shape[0]), b.shape[0], dtype=a.dtype, device=a.device)
    return (_by_product if a.shape[1] > FEW else _by_difference)(a, b, rows, total)


def first_least(block: Tensor) -> Tensor:
    """Column (rows,) of the smallest entry of each row of a block, the first of equals."""
    if _is_array(block):
        return torch.from_numpy(block.numpy().argmin(1))  # ten times as fast as torch's
    return block.argmin(1)


def _root(block: Tensor) -> Tensor:
    if _is_array(block):
        np.sqrt(block.numpy(), out=block.numpy())  # torch's takes ten times as long for zeros
        return block
    return block.sqrt_()


def _is_array(block: Tensor) -> bool:
    return block.device.type == "cpu" and block.dtype in (torch.float32, torch.float64)


def _by_product(a: Tensor, b: Tensor, rows: int, total: Tensor) -> Iterator[Tensor]:
    centre = b.mean(0)  # the matrix product cancels |a|^2 + |b|^2 - 2ab: keep these small
    a, b = a - centre, b - centre
    a = torch.cat([-2.0 * a, a.square().sum(1, keepdim=True), torch.ones_like(a[:, :1])], dim=1)
    b = torch.cat([b, torch.ones_like(b[:, :1]), b.square().sum(1, keepdim=True)], dim=1).T
    for block in torch.split(a, rows):
        yield torch.mm(block, b, out=total[: block.shape[0]]).clamp_(min=0.0)


def _by_difference(a: Tensor, b: Tensor, rows: int, total: Tensor) -> Iterator[Tensor]:
    columns = b.T.contiguous()
    spare = torch.empty_like(total)
    for block in torch.split(a, rows):
        out, difference = total[: block.shape[0]], spare[: block.shape[0]]
        torch.sub(block[:, 0:1], columns[0], out=out).square_()
        for axis in range(1, a.shape[1]):
            torch.sub(block[:, axis : axis + 1], columns[axis], out=difference)
            out.addcmul_(difference, difference)
        yield out


def check_reference(x: Tensor) -> None:
    """Raises InputError unless there are samples (n >= 1, *shape) to compare with."""
    if x.ndim < 2 or x.shape[0] == 0:
        raise InputError(f"expected reference samples (n >= 1, *shape), got {tuple(x.shape)}: reshape them")


def flat_samples(x: Tensor, name: str, least: int, like: Tensor | None = None) -> Tensor:
    """x (n, *shape) as (n, dim), with the shape, dtype and device of `like` (m, *shape) where there is one.

    Raises InputError when there are fewer than `least` of them, or of another shape or no floats, and NonFiniteError
    when some are NaN or infinite; `name` says of which samples.
    """
    wanted = f"n >= {least}" if least else "n"
    wanted += ", *shape" if like is None else "".join(f", {size}" for size in like.shape[1:])
    if x.ndim < 2 or x.shape[0] < least or (like is not None and x.shape[1:] != like.shape[1:]):
        raise InputError(
            f"expected {name} samples ({wanted}), got {tuple(x.shape)}: "
            + ("draw more" if x.ndim >= 2 and x.shape[0] < least else "reshape them")
        )
    if like is None and not x.is_floating_point():
        raise InputError(f"expected {name} samples as floats, got {x.dtype}: convert them")
    flat = (x if like is None else x.to(like)).flatten(1)
    bad = sum(int((~part.isfinite().all(1)).sum()) for part in torch.split(flat, TILE))
    if bad:
        raise NonFiniteError(f"{bad} of {flat.shape[0]} {name} samples are not finite: distances are undefined")
    return flat


@torch.no_grad()
def kth_distance(x: Tensor, k: int) -> Tensor:
    """Distance (n,) float64 from each of x (n > k, dim) to its k-th nearest other one."""
    least = torch.full((x.shape[0], k), torch.inf, dtype=torch.float64, device=x.device)
    size = least.new_zeros(x.shape[0], 1)
    for tile in _tiles(x, x):
        if tile.rows == tile.columns:
            tile.squares.fill_diagonal_(torch.inf)
        size[tile.rows] = tile.size
        least[tile.rows] = _smallest(least[tile.rows], tile.squares, k)
    square = least.amax(1, keepdim=True)
    doubtful = (4.0 * _slack(square, size, x.shape[1]) > TIE * square).squeeze(1).nonzero().squeeze(1)
    for rows in torch.split(doubtful, _side(x)) if doubtful.numel() else ():
        square[rows] = _exact_kth(x, rows, k)
    return square.sqrt_().squeeze(1)


@torch.no_grad()
def ball_tiles(centres: Tensor, radius: Tensor, x: Tensor, own: bool = False) -> Iterator[tuple[slice, slice, Tensor]]:
    """Which of x (m, dim) lie in the ball of `radius` (n,) float64 round which of `centres` (n, dim), a tile at a time.

    Yields rows, columns and a bool tile: x_j lies in ball i when it is nearer to c_i than radius_i, or equal to c_i,
    and not when it is just radius_i away. `own` (x is centres) yields each pair i < j once, and False for the others.
    """
    limit = (radius.square() * (1.0 - TIE)).clamp_(min=SMALLEST).unsqueeze(1)
    for rows, columns, squares, size in _tiles(centres, x, own):
        edge = limit[rows]
        slack = _slack(edge, size, x.shape[1])
        inside, perhaps = squares < edge - slack, squares <= edge + slack
        if not torch.equal(inside, perhaps):
            doubtful = (inside != perhaps).any(1).nonzero().squeeze(1)
            inside[doubtful] = _exact(centres[rows][doubtful], x[columns]) < edge[doubtful]
        yield rows, columns, inside.triu_(1) if own and rows == columns else inside


class _Tile(NamedTuple):
    rows: slice
    columns: slice
    squares: Tensor  # (r, c): ||a_i - b_j||^2
    size: Tensor  # (r, 1): squares are wrong by no more than `_slack` of it


# Whether a distance is below a radius may not hang on rounding: when fakes equal the real samples, each k-th neighbour
# lies exactly on its ball, and products of matrices would put half of them inside. Hence float64 (whatever the
# settings for products in float32 are), a bound of the rounding error, differences instead of products where the bound
# leaves a doubt, and a tie for squares that differ by less than TIE of themselves, far more than what rounding leaves.


def _slack(square: Tensor, size: Tensor, dim: int) -> Tensor:
    """The error of squares by product, for comparing them with `square`.

    It is at most g (|a| + |b|)^2, seen from the centre. Let r^2 = `square`. Where |b| <= |a| + r, as for all b in the
    ball, that is at most g (2 |a| + r)^2 <= g (8 |a|^2 + 2 r^2) = slack. Where t = |b| - |a| > r, the square is at
    least t^2, and t^2 - g (2 |a| + t)^2 >= r^2 - slack: such a b is never taken to lie in the ball.
    """
    return (dim + 8) * EPS * (8.0 * size + 2.0 * square)


def _tiles(a: Tensor, b: Tensor, own: bool = False) -> Iterator[_Tile]:
    """All of ||a_i - b_j||^2, from the first rows on; `own` leaves out the tiles below the diagonal."""
    side, dim = _side(a), a.shape[1]
    centre = torch.zeros(dim, dtype=torch.float64, device=a.device)
    for part in torch.split(a, side):  # a small thing kept for each would keep what was freed below it
        centre += part.to(torch.float64).sum(0) / a.shape[0]
    for row in range(0, a.shape[0], side):
        left = a[row : row + side].to(torch.float64)
        size = left.new_zeros(left.shape[0], 1)
        if dim > FEW:
            left = left - centre
            size = left.square().sum(1, keepdim=True)
        for column in range(row if own else 0, b.shape[0], side):
            right = b[column : column + side].to(torch.float64)
            if dim > FEW:
                right = right - centre
                squares = torch.addmm(right.square().sum(1), left, right.T, alpha=-2.0).add_(size)
            else:  # as good as exact, and faster than a product
                squares = next(square_blocks(left, right, left.shape[0]))
            yield _Tile(slice(row, row + left.shape[0]), slice(column, column + right.shape[0]), squares, size)


def _side(x: Tensor) -> int:
    """Rows and columns of a tile: neither its squares nor the samples in float64 take much memory."""
    return max(1, min(TILE if x.device.type == "cpu" else DEVICE_TILE, OPERAND // max(1, x.shape[1])))


def _exact(a: Tensor, b: Tensor) -> Tensor:
    """||a_i - b_j||^2 to the last digits of float64, and 0 for equal ones only: ten times as slow as a product."""
    mode = "donot_use_mm_for_euclid_dist"
    return torch.cdist(a.to(torch.float64), b.to(torch.float64), compute_mode=mode).square_()


def _exact_kth(x: Tensor, rows: Tensor, k: int) -> Tensor:
    """(r, 1): the k-th smallest square from x[rows] to the others."""
    least = torch.full((rows.shape[0], k), torch.inf, dtype=torch.float64, device=x.device)
    start = 0
    for part in torch.split(x, _side(x)):
        squares = _exact(x[rows], part)
        here = torch.arange(start, start + part.shape[0], device=x.device)
        least = _smallest(least, squares.masked_fill_(rows.unsqueeze(1) == here, torch.inf), k)
        start += part.shape[0]
    return least.amax(1, keepdim=True)


def _smallest(known: Tensor, squares: Tensor, k: int) -> Tensor:
    """The k smallest of each row of `known` (r, k) and `squares` (r, c)."""
    few = squares.topk(min(k, squares.shape[1]), largest=False, sorted=False).values
    return torch.cat([known, few], 1).topk(k, largest=False, sorted=False).values
