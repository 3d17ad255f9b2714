"""All distances between two sets of samples, a cache-sized block at a time."""

from __future__ import annotations

from collections.abc import Iterator

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
    rows = rows or rows_per_block(b.shape[0], b.device)
    if a.shape[1] > FEW:
        centre = b.mean(0)  # the matrix product cancels |a|^2 + |b|^2 - 2ab: keep these small
        a, b = a - centre, b - centre
        for block in torch.split(a, rows):
            yield torch.cdist(block, b, compute_mode="use_mm_for_euclid_dist")
        return
    columns = b.T.contiguous()
    total = torch.empty(min(rows, a.shape[0]), b.shape[0], dtype=a.dtype, device=a.device)
    spare = torch.empty_like(total)
    for block in torch.split(a, rows):
        out, difference = total[: block.shape[0]], spare[: block.shape[0]]
        torch.sub(block[:, 0:1], columns[0], out=out).square_()
        for axis in range(1, a.shape[1]):
            torch.sub(block[:, axis : axis + 1], columns[axis], out=difference)
            out.addcmul_(difference, difference)
        yield out.sqrt_()
