"""When a term is no longer finite: which one, at which step, and everything that led to it."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..rng import kept
from .draws import BLOCK, Block, Draws
from .eager import Eager
from .state import TrainState, restore


def first_bad(rows: list[Mapping[str, float]]) -> tuple[int, str] | None:
    """Index of the first row with a value that is not finite, and that value's name."""
    for index, row in enumerate(rows):
        for key, value in row.items():
            if not isfinite(value):
                return index, key
    return None


def dump(
    path: Path | None,
    executor: Eager,
    draws: Draws,
    before: TrainState,
    block: Block,
    iterations: list[tuple[int, float]],
    rows: list[Mapping[str, float]],
    term: str,
) -> tuple[str, dict[str, float]]:
    """Repeats the iterations since `before` up to the bad one and writes down its batch, terms and gradient norms.

    The repetition is exact, so the batch is the one that did it. Returns a description and the gradient norms.
    """
    restore(before, executor, draws)
    for number, factor in iterations[:-1]:
        executor.iteration(block[number % BLOCK], number, factor)
    number, factor = iterations[-1]
    draw = block[number % BLOCK]
    norms: dict[str, float] = {}
    handles = [
        optimizer.register_step_pre_hook(lambda opt, *_, player=player: norms.update({player: _norm(opt)}))
        for player, optimizer in executor.optimizers.items()
    ]
    weights = {name: dict(network.state_dict()) for name, network in executor.networks.items()}
    weights = {name: {key: value.clone() for key, value in saved.items()} for name, saved in weights.items()}
    with kept(draws.generator.device):
        fakes = [executor.fakes(step.z, step.label).x for step in draw.d]  # repeated with the same dropout
    executor.iteration(draw, number, factor)
    for handle in handles:
        handle.remove()
    if path is not None:
        content: dict[str, Any] = {
            "iteration": number,
            "term": term,
            "terms": [dict(row) for row in rows],
            "gradient_norms": norms,
            "real": [None if step.real is None else step.real.x for step in draw.d],
            "fake": fakes,
            "z": [step.z for step in draw.d],
            "label": [step.label for step in draw.d],
            "real_g": None if draw.g.real is None else draw.g.real.x,
            "z_g": draw.g.z,
            "label_g": draw.g.label,
            "noise": {"d": [dict(step.noise) for step in draw.d], "g": dict(draw.g.noise)},
            "networks_before": weights,
        }
        try:
            torch.save(content, path)
        except (OSError, RuntimeError):  # a full disk must not hide what happened
            path.unlink(missing_ok=True)
    told = ", ".join(f"|grad {player}| = {norm:.3g}" for player, norm in norms.items())
    return told, norms


def _norm(optimizer: torch.optim.Optimizer) -> float:
    """L2 norm of all gradients that an optimiser is about to use."""
    gradients: list[Tensor] = [
        p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None
    ]
    return float(nn.utils.get_total_norm(gradients))
