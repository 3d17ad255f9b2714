"""An optimiser's step by the shortest way: torch's fused Adam without the bookkeeping around its two kernels."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.optim import optimizer as hooks


def is_bare_adam(optimizer: torch.optim.Optimizer) -> bool:
    """Whether `step` may call the kernels of this optimiser itself: torch's fused Adam, one group, no options."""
    if type(optimizer) is not torch.optim.Adam or "step" in vars(optimizer) or len(optimizer.param_groups) != 1:
        return False
    (group,) = optimizer.param_groups
    options = ("amsgrad", "maximize", "capturable", "differentiable", "decoupled_weight_decay")
    kinds = {(p.device, p.dtype) for p in group["params"]}
    return bool(group["fused"] and isinstance(group["lr"], float) and len(kinds) == 1) and not any(
        group.get(option) for option in options
    )


def step(optimizer: torch.optim.Optimizer, bare_adam: bool) -> None:
    """`optimizer.step()`, bit for bit; `bare_adam` is what `is_bare_adam` said of it.

    On networks of 64 units torch's way there (profiler range, graph checks, grouping) costs several times the kernels.
    Its own way is taken whenever something is attached or missing: hooks, the first step, a parameter without gradient.
    """
    if not bare_adam or _hooked(optimizer):
        optimizer.step()
        return
    (group,) = optimizer.param_groups
    parameters = group["params"]
    gradients = [p.grad for p in parameters]
    entries: list[dict[str, Tensor]] = [optimizer.state.get(p, {}) for p in parameters]
    if any(gradient is None for gradient in gradients) or not all(entries):
        optimizer.step()
        return
    steps = [entry["step"] for entry in entries]
    beta1, beta2 = group["betas"]
    with torch.no_grad():
        torch._foreach_add_(steps, 1)
        torch._fused_adam_(
            parameters,
            gradients,
            [entry["exp_avg"] for entry in entries],
            [entry["exp_avg_sq"] for entry in entries],
            [],
            steps,
            lr=group["lr"],
            beta1=beta1,
            beta2=beta2,
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            amsgrad=False,
            maximize=False,
        )


def _hooked(optimizer: torch.optim.Optimizer) -> bool:
    return bool(
        optimizer._optimizer_step_pre_hooks
        or optimizer._optimizer_step_post_hooks
        or hooks._global_optimizer_pre_hooks
        or hooks._global_optimizer_post_hooks
    )
