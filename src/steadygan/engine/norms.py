"""How large the gradients of an iteration's last steps are, read where optimisers take them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from .executor import Executor


@contextmanager
def gradient_norms(executor: Executor) -> Iterator[dict[str, Tensor]]:
    """Fills in `G/gradients` and `D/gradients` while optimisers step: () or, of a stack, (members,), in float64.

    A player none of whose parameters holds a gradient is left out.
    """
    found: dict[str, Tensor] = {}

    def look(player: str, optimizer: torch.optim.Optimizer) -> None:
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        if executor.stacked:
            norms = [torch.linalg.vector_norm(g, dim=1, dtype=torch.float64) for g in gradients]
        else:
            norms = [torch.linalg.vector_norm(g, dtype=torch.float64) for g in gradients]
        if norms:
            found[f"{player}/gradients"] = torch.linalg.vector_norm(torch.stack(norms), dim=0)

    handles = [
        optimizer.register_step_pre_hook(lambda opt, *_, player=player: look(player, opt))
        for player, optimizer in executor.optimizers.items()
    ]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()
