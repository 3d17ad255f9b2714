"""Members of a stack: trees of tensors with an axis of members in front."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from ..types import Batch
from .draws import Block, Draws, Iteration, Whole, split


def stacked(trees: Sequence[Any], axis: int = 0) -> Any:
    """Trees of tensors as one, with an axis of members; what is no tensor must be the same in all of them."""
    return tree_map(lambda *leaves: torch.stack(leaves, axis) if isinstance(leaves[0], Tensor) else leaves[0], *trees)


def member_of(tree: Any, member: int) -> Any:
    """What belongs to one member, by reference; a number that all share stays as it is."""
    if isinstance(tree, Iteration):
        return Iteration(tree.number, *(member_of(part, member) for part in tree[1:]))
    return tree_map(lambda leaf: leaf[member] if isinstance(leaf, Tensor) else leaf, tree)


class StackedBlocks:
    """The blocks of several runs as one: number -> iterations whose tensors have an axis of members in front."""

    def __init__(self, draws: Sequence[Draws]) -> None:
        self.draws = draws
        self._current: tuple[int, Block] | None = None

    def __call__(self, number: int) -> Block:
        if self._current is None or self._current[0] != number:
            wholes = [draws.whole(number) for draws in self.draws]
            together = Whole(wholes[0].numbers, *stacked([whole[1:] for whole in wholes], axis=1))
            iterations = split(together, self.draws[0].needs, axis=1)
            self._current = number, Block(iterations, self._reals([draws.reals_of(number) for draws in self.draws]))
        return self._current[1]

    @staticmethod
    def _reals(
        own: Sequence[Callable[[int], list[Batch | None]] | None],
    ) -> Callable[[int], list[Batch | None]] | None:
        """How the reals of an iteration are read, where blocks do not hold them: each member's, then as one."""
        readers = [read for read in own if read is not None]
        if not readers:
            return None
        return lambda i: [stacked(batches) for batches in zip(*(read(i) for read in readers), strict=True)]
