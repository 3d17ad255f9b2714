"""A whole iteration as a CUDA graph, launched once instead of kernel by kernel."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from .compiler import Compiler
from .draws import Iteration
from .executor import Eager
from .functional import Functional

Record: TypeAlias = Callable[[Callable[[], Any]], tuple[Callable[[], None], Any]]

WARM = 3  # iterations before the graph is recorded: code is generated and optimisers make their state


class Captured(Functional):
    """The functional executor on a GPU: one graph per set of active parts, on buffers at fixed addresses.

    `record` runs a function once and returns how to replay it, with its results: tensors that each replay overwrites.
    """

    def __init__(self, members: Sequence[Eager], compiler: Compiler, record: Record | None = None) -> None:
        super().__init__(members, compiler)
        self._record = record or recorded
        self._graphs: dict[tuple[int, ...], tuple[Callable[[], None], Mapping[str, Tensor]]] = {}
        self._seen: dict[tuple[int, ...], int] = {}
        self._inputs: Iteration | None = None
        for optimizer in self.optimizers.values():
            capturable(optimizer)

    def iteration(
        self, draw: Iteration, number: int, factor: float, norms: dict[str, Tensor] | None = None
    ) -> dict[str, Tensor]:
        if norms is not None:  # a graph would leave nothing to look at
            return super().iteration(draw, number, factor, norms)
        self._set_rates(factor)
        acting = self.acting(number, len(draw.d))
        key = tuple(map(id, acting))
        if self._seen.get(key, 0) < WARM:
            self._seen[key] = self._seen.get(key, 0) + 1
            return super().iteration(draw, number, factor)
        inputs = self._filled(draw)
        if key not in self._graphs:
            self._graphs[key] = self._record(lambda: self._steps_of(inputs, acting))
        replay, told = self._graphs[key]
        replay()
        self.update_average(number)
        return {name: value.clone() for name, value in told.items()}

    def adopt(self) -> None:
        super().adopt()
        self._graphs = {}  # they hold on to the state as it was

    def go_back(self, snapshot: Any) -> None:
        super().go_back(snapshot)
        self._graphs = {}

    def _filled(self, draw: Iteration) -> Iteration:
        """The draw in the buffers from which graphs read."""
        if self._inputs is None:
            self._inputs = tree_map(lambda leaf: leaf.clone() if isinstance(leaf, Tensor) else leaf, draw)
        into, new = ([t for t in tree_leaves(tree) if isinstance(t, Tensor)] for tree in (self._inputs, draw))
        torch._foreach_copy_(into, new)
        return self._inputs


def recorded(function: Callable[[], Any]) -> tuple[Callable[[], None], Any]:
    """Records what a function launches on the GPU."""
    graph = torch.cuda.CUDAGraph()
    torch.cuda.synchronize()
    with torch.cuda.graph(graph):
        result = function()
    return graph.replay, result


def capturable(optimizer: torch.optim.Optimizer) -> None:
    """Makes an optimiser's step recordable: its counters and learning rate live on the GPU.

    Raises ValueError for an optimiser without that option: a number kept on the host would never change in a graph.
    """
    if not isinstance(optimizer, torch.optim.SGD) and any("capturable" not in g for g in optimizer.param_groups):
        raise ValueError(f"{type(optimizer).__name__} cannot be recorded")
    for group in optimizer.param_groups:
        if "capturable" in group:
            group["capturable"] = True
        if not isinstance(group["lr"], Tensor):
            group["lr"] = torch.tensor(float(group["lr"]), device=group["params"][0].device)
    for state in optimizer.state.values():
        for key, value in state.items():
            if isinstance(value, Tensor) and value.ndim == 0:
                state[key] = value.to(optimizer.param_groups[0]["params"][0].device)
