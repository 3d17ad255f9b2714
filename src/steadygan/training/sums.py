"""Sums of a run's statistics between two ticks, and the losses that a record reports from them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from ..diagnostics.outputs import off_equilibrium
from ..types import Opponent


class Sums:
    """(sum, count) in float64 of every statistic of the opponents' steps; `squares`: of the losses' squares, too."""

    def __init__(self, opponents: Mapping[str, Opponent], squares: bool) -> None:
        self.opponents, self.squares = opponents, squares
        self.state: dict[str, Tensor] = {}  # as a checkpoint holds it

    def add(self, rows: Iterable[Mapping[str, float]]) -> None:
        """Adds statistics one by one, so that the sums do not depend on where the segments were cut."""
        sums = {key: value.tolist() for key, value in self.state.items()}
        for row in rows:
            squared = self._squared(row) if self.squares else {}
            for key, value in {**row, **squared}.items():
                total, count = sums.get(key, (0.0, 0.0))
                sums[key] = [total + value, count + 1.0]
        self.state = {key: torch.tensor(value, dtype=torch.float64) for key, value in sums.items()}

    def losses(self, equilibrium: tuple[float | None, float | None]) -> dict[str, float]:
        """Means since the last tick: d_loss and g_loss without penalties, then every other term by name."""
        means = {key: float(value[0] / value[1]) for key, value in self.state.items()}
        losses = self.weighted(means)
        for key, level in zip(("d", "g"), equilibrium, strict=True):
            mean, square = losses.get(f"{key}_loss"), means.pop(f"{key}_loss squared", None)
            if mean is not None and square is not None:
                losses[f"{key}_loss_std"] = math.sqrt(max(0.0, square - mean * mean))
            off = off_equilibrium(mean, level)
            if off is not None:
                losses[f"{key}_off"] = off
            norm = means.pop(f"{key.upper()}/gradients", None)
            if norm is not None:
                losses[f"gradient_norm_{key}"] = norm
            for name in self.opponents:
                means.pop(f"{key}/{name}/loss", None)
        lone = len(self.opponents) == 1
        return losses | {(_of_a_lone_one(key) if lone else key): value for key, value in means.items()}

    def weighted(self, terms: Mapping[str, float]) -> dict[str, float]:
        """Each player's loss without penalties, the weighted sum over the opponents."""
        losses = {}
        for player, key in (("d", "d_loss"), ("g", "g_loss")):
            known = ((o.weight, terms.get(f"{player}/{name}/loss")) for name, o in self.opponents.items())
            weighted = [weight * value for weight, value in known if value is not None]
            if weighted:
                losses[key] = sum(weighted)
        return losses

    def _squared(self, row: Mapping[str, float]) -> dict[str, float]:
        """The squares of an iteration's losses: their means tell how much they go up and down."""
        return {f"{key} squared": value * value for key, value in self.weighted(row).items()}


def _of_a_lone_one(key: str) -> str:
    """`d/D/penalty/r1` as `penalty/r1`, `g/D/method/x` as `g/method/x`: a method may name both players' terms alike."""
    player, _, term = key.split("/", 2)
    return term if player == "d" else f"g/{term}"
