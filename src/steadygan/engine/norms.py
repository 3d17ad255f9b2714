"""How large the gradients of an iteration's last steps are, read where optimisers take them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from .executor import Executor


@contextmanager
def gradient_norms(executor: Executor) -> Iterator[dict[str, Tensor]]:
    """Fills in `G/gradients` and `D/gradients` while optimisers step: () or, of a stack, (members,)."""
    found: dict[str, Tensor] = {}

    def look(player: str, optimizer: torch.optim.Optimizer) -> None:
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        if executor.stacked:
            found[f"{player}/gradients"] = torch.stack([torch.linalg.vector_norm(g, dim=1) for g in gradients]).norm(
                dim=0
            )
        else:
            found[f"{player}/gradients"] = nn.utils.get_total_norm(gradients)

    handles = [
        optimizer.register_step_pre_hook(lambda opt, *_, player=player: look(player, opt))
        for player, optimizer in executor.optimizers.items()
    ]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()
