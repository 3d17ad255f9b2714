"""All distances between two sets of samples, a cache-sized block at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

FEW = 8  # up to so many coordinates, summing squared differences beats a matrix product, and is exact for near pairs
CPU_BLOCK = 1 << 18  # elements: two float32 buffers of this size stay in a core's second-level cache
DEVICE_BLOCK = 1 << 25


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
