"""The energy distance of many points of the plane, over all pairs, in O(n log n): pairs of far blocks go as a whole.

The points are halved again and again into blocks of neighbours. Between two blocks that lie apart, ||x - y|| is as good
as the polynomial through its values at p x p Chebyshev nodes of either block. The points of a block then act as so many
weights at its nodes, which serve for every other block: p^4 pairs of nodes stand for all pairs of points. Blocks too
near each other for that are halved; what is left of the smallest ones is summed point by point. p follows from a bound
of the error, so that all of it stays below TOLERANCE mean distances; it is a thirtieth of that and less, and mostly a
hundredth of what another draw of the samples would change [fong2009].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Array: TypeAlias = NDArray[Any]

WORTH = 3000  # pairs per point: with fewer, all pairs are as fast
LEAF = 20  # points of a smallest block, at most
NODES = 7  # per axis, at most
TOLERANCE = 1e-4
BUFFER = 1 << 19  # distances at a time: more leave the caches, fewer make short vectors
NOWHERE = 1e-12  # sides and gaps below it, in mean distances, are none


def suits_plane(a: Tensor, b: Tensor) -> bool:
    """Whether `plane_energy(a, b)` is faster than all pairs and no less exact: many finite float32 points."""
    pairs, points = len(a) * (len(b) + len(a) / 2), len(a) + len(b)  # those of b among themselves are computed once
    if a.device.type != "cpu" or a.dtype != torch.float32 or a.shape[1] != 2 or pairs < WORTH * points:
        return False
    return bool(a.isfinite().all()) and bool(b.isfinite().all())


def plane_energy(a: Tensor, b: Tensor) -> float:
    """2 mean_ij ||a_i - b_j|| - mean_ij ||a_i - a_j|| - mean_ij ||b_i - b_j|| of a (n, 2) and b (m, 2) on the CPU."""
    points = np.concatenate([part.detach().numpy().T.astype(np.float64) for part in (a, b)], axis=1)
    weights = np.repeat([1.0 / len(a), -1.0 / len(b)], [len(a), len(b)])
    return -weighted_distances(points, weights)


def weighted_distances(points: Array, weights: Array) -> float:
    """sum_ij w_i w_j ||z_i - z_j|| over all pairs of points z (2, n) with weights w (n,), both float64.

    Good to TOLERANCE (sum_i |w_i|)^2 times the mean distance to the centre, and summed in float32 as all pairs are.
    """
    points = points - points.mean(1, keepdims=True)
    unit = float(np.hypot(*points).mean())
    if unit == 0.0:
        return 0.0
    tree = _grow(points / unit, weights)
    a, b, nodes = _far_pairs(tree)
    near = nodes == 0
    total = _near_sum(tree, a[near], b[near])
    for p in range(2, NODES + 1):
        chosen = nodes == p
        if chosen.any():
            total += _far_sum(tree, a[chosen], b[chosen], p)
    return total * unit


@dataclass(frozen=True)
class _Tree:
    """Blocks in heap order: block 1 holds all points, the halves of block k are 2k and 2k + 1; block 0 is not used."""

    low: Array  # (2, blocks): corners of the points' bounding box
    high: Array
    mass: Array  # (blocks,): sum of |weights|
    moments: Array  # (NODES^2, blocks) float32: weights at the nodes that stand for the points
    leaves: Array  # (3, size, smallest blocks) float32: x, y and weight of the points of each
    depth: int


def _grow(points: Array, weights: Array) -> _Tree:
    leaves, depth = _split(np.concatenate([points, weights[None]]))
    first = 2**depth
    low, high, mass = np.zeros((2, 2 * first)), np.zeros((2, 2 * first)), np.zeros(2 * first)
    moments = np.zeros((2 * first, NODES, NODES))
    low[:, first:], high[:, first:] = leaves[:2].min(2), leaves[:2].max(2)
    mass[first:] = np.abs(leaves[2]).sum(1)
    inner = leaves[:2]  # what has weight in the blocks of a level: points, and further up the nodes of their halves
    for level in range(depth, -1, -1):
        these, halves = slice(2**level, 2 ** (level + 1)), slice(2 ** (level + 1), 2 ** (level + 2))
        if level < depth:
            low[:, these] = low[:, halves].reshape(2, -1, 2).min(2)
            high[:, these] = high[:, halves].reshape(2, -1, 2).max(2)
            mass[these] = mass[halves].reshape(-1, 2).sum(1)
        middle, reach = (low[:, these] + high[:, these]) / 2, (high[:, these] - low[:, these]) / 2
        scale = np.where(reach > 0.0, reach, 1.0)
        basis = _basis((inner.reshape(2, 2**level, -1) - middle[..., None]) / scale[..., None], NODES)
        if level == depth:
            x, y = basis[:, 0].transpose(1, 0, 2), basis[:, 1].transpose(1, 2, 0)
            moments[these] = np.matmul(x * leaves[2][:, None], y)
        else:
            basis = basis.reshape(NODES, 2, 2 ** (level + 1), NODES)
            x, y = basis[:, 0].transpose(1, 0, 2), basis[:, 1].transpose(1, 2, 0)
            moments[these] = (x @ moments[halves] @ y).reshape(-1, 2, NODES, NODES).sum(1)
        inner = middle[..., None] + reach[..., None] * _nodes(NODES)
    flat = np.ascontiguousarray(moments.reshape(2 * first, -1).T, dtype=np.float32)
    return _Tree(low, high, mass, flat, np.ascontiguousarray(leaves.transpose(0, 2, 1), dtype=np.float32), depth)


def _split(cloud: Array) -> tuple[Array, int]:
    """x, y and weight (3, n) as (3, 2^depth, size), halved across the wider side each time; and the depth."""
    n = cloud.shape[1]
    depth = 0
    while n > LEAF << depth:
        depth += 1
    missing = -n % (1 << depth)  # points without weight fill up the blocks
    x, y, weight = np.concatenate([cloud, cloud[:, :missing] * [[1.0], [1.0], [0.0]]], axis=1)[:, None]
    for _ in range(depth):
        wide = np.ptp(x, axis=1) >= np.ptp(y, axis=1)
        key = np.where(wide[:, None], x, y)
        rows, size = key.shape
        order = key.argpartition(size // 2, axis=1) + np.arange(0, rows * size, size)[:, None]
        x, y, weight = (values.take(order.reshape(2 * rows, -1)) for values in (x, y, weight))
    return np.stack([x, y, weight]), depth


def _far_pairs(tree: _Tree) -> tuple[Array, Array, Array]:
    """Blocks a and b (k,) that between them make every pair of points once, and nodes per axis (k,): 0 point by point.

    p nodes per axis in boxes up to `side` long and g sides apart err by some 0.1 / g rho^(2 - p) sides at the most,
    with rho = 1 + 2g + sqrt((1 + 2g)^2 - 1) the ellipse on which the distance is smooth.
    """
    side = (tree.high - tree.low).max(0).clip(NOWHERE)
    size = tree.leaves.shape[1]
    a = b = np.ones(1, dtype=np.int64)
    found = []
    for level in range(tree.depth + 1):
        gap = np.maximum(tree.low.take(a, 1) - tree.high.take(b, 1), tree.low.take(b, 1) - tree.high.take(a, 1))
        gap = np.hypot(*gap.clip(0.0)).clip(NOWHERE)
        longer = np.maximum(side.take(a), side.take(b))
        share = 2.0 * (tree.mass.take(a) * tree.mass.take(b)).sum() / tree.mass[1] ** 2  # of all pairs, not yet done
        worth = np.log(0.1 * share * longer**2 / (gap * TOLERANCE))
        nodes = np.ceil(2.0 + worth / np.arccosh(1.0 + 2.0 * gap / longer)).clip(2.0)
        same = a == b
        done = (nodes <= min(NODES, (size << (tree.depth - level)) ** 0.5)) & ~same  # no more nodes than points
        found.append((a[done], b[done], nodes[done].astype(np.int64)))
        a, b, same = a[~done], b[~done], same[~done]
        if level < tree.depth:
            own, a, b = 2 * a[same], 2 * a[~same], 2 * b[~same]
            a = np.concatenate([a, a, a + 1, a + 1, own, own, own + 1])
            b = np.concatenate([b, b + 1, b, b + 1, own, own + 1, own + 1])
    found.append((a, b, np.zeros_like(a)))
    first, second, nodes = (np.concatenate(column) for column in zip(*found, strict=True))
    return first, second, nodes


def _far_sum(tree: _Tree, a: Array, b: Array, p: int) -> float:
    """The sum over blocks a and b by p nodes per axis."""
    change = _basis(_nodes(NODES), p)
    both = np.kron(change, change).astype(np.float32)
    # by torch, which keeps to the number of threads it was told; NumPy's product would not
    weight = torch.mm(torch.from_numpy(both), torch.from_numpy(tree.moments)).numpy()
    middle, reach = (tree.low + tree.high) / 2, (tree.high - tree.low) / 2
    x, y = (middle[:, None] + reach[:, None] * _nodes(p)[:, None]).astype(np.float32)
    total = 0.0
    rows = max(1, BUFFER // p**4)
    out = np.empty(p**4 * min(rows, len(a)), dtype=np.float32)
    for start in range(0, len(a), rows):
        one, other = a[start : start + rows], b[start : start + rows]
        squares = out[: p**4 * len(one)].reshape(p, p, p, p, -1)
        across, along = (np.square(axis.take(one, 1)[:, None] - axis.take(other, 1)) for axis in (x, y))
        np.add(across[:, None, :, None], along[None, :, None, :], out=squares)
        total += _weigh(squares.reshape(p * p, p * p, -1), weight.take(one, 1), weight.take(other, 1))
    return 2.0 * total


def _near_sum(tree: _Tree, a: Array, b: Array) -> float:
    """The sum over smallest blocks a and b, point by point."""
    first = 1 << tree.depth
    x, y, weight = tree.leaves
    size = len(x)
    total = 0.0
    rows = max(1, BUFFER // size**2)
    buffers = np.empty((2, size * size * min(rows, len(a))), dtype=np.float32)
    for start in range(0, len(a), rows):
        one, other = a[start : start + rows] - first, b[start : start + rows] - first
        squares, more = buffers[:, : size * size * len(one)].reshape(2, size, size, -1)
        for axis, into in ((x, squares), (y, more)):
            np.subtract(axis.take(one, 1)[:, None], axis.take(other, 1), out=into)
            np.square(into, out=into)
        squares += more
        twice = np.where(one == other, 1.0, 2.0).astype(np.float32)  # within one block each pair comes twice
        total += _weigh(squares, weight.take(one, 1) * twice, weight.take(other, 1))
    return total


def _weigh(squares: Array, one: Array, other: Array) -> float:
    """sum one_ik sqrt(squares_ijk) other_jk; overwrites the squares."""
    np.sqrt(squares, out=squares)
    squares *= other
    inner = squares.sum(1)
    inner *= one
    return float(inner.sum(dtype=np.float64))


def _nodes(p: int) -> Array:
    """The p Chebyshev nodes of [-1, 1]."""
    nodes: Array = np.cos((2 * np.arange(p) + 1) * np.pi / (2 * p))
    return nodes


def _basis(at: Array, p: int) -> Array:
    """(p, *shape): the polynomials that are 1 at one of p nodes and 0 at the others, at points in [-1, 1]."""
    nodes = _nodes(p)
    basis = np.ones((p, *at.shape))
    product = np.ones_like(at)
    for k in range(1, p):  # first those left of each node, then those right of it
        product = product * (at - nodes[k - 1])
        basis[k] = product
    product = np.ones_like(at)
    for k in range(p - 2, -1, -1):
        product = product * (at - nodes[k + 1])
        basis[k] *= product
    others = nodes[:, None] - nodes + np.eye(p)
    basis /= others.prod(1).reshape(p, *[1] * at.ndim)
    return basis
