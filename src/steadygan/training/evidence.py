"""When a term is no longer finite: which one, at which step, and everything that led to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..devices import kept
from ..engine.draws import Iterations
from ..engine.executor import Executor
from ..engine.members import member_of
from ..engine.needs import BLOCK
from ..runs.folder import RunFolder


def first_bad(rows: Sequence[Mapping[str, float]]) -> tuple[int, str] | None:
    """Index of the first row with a value that is not finite, and that value's name."""
    for index, row in enumerate(rows):
        for key, value in row.items():
            if not isfinite(value):
                return index, key
    return None


@dataclass(frozen=True)
class Evidence:
    """The iterations of a segment in which a member met a term that is not finite, and how to repeat them."""

    executor: Executor
    member: int
    before: Any  # the executor's snapshot before the first of them
    block: Iterations
    iterations: Sequence[tuple[int, float]]  # number, factor on the rates
    rows: Sequence[Mapping[str, float]]  # what the member's terms were

    def written(self, folder: RunFolder | None, index: int, term: str) -> tuple[str, Path | None]:
        """Repeats the segment and saves the bad iteration's batch, terms and gradient norms.

        The repetition is exact, so the batch is the one that failed, and the other members end where they were. Returns
        a description and the file.
        """
        number = self.iterations[index][0]
        path = None if folder is None else folder.path / f"non_finite_{number:09d}.pt"
        self.executor.go_back(self.before)
        self._repeat(self.iterations[:index])
        norms, content = self._bad(index)
        self._repeat(self.iterations[index + 1 :] if len(self.executor.members) > 1 else ())
        if path is not None:
            try:
                torch.save({**content, "term": term, "gradient_norms": norms}, path)
            except (OSError, RuntimeError):  # a full disk must not hide what happened
                path.unlink(missing_ok=True)
        told = ", ".join(f"|grad {player}| = {norm:.3g}" for player, norm in norms.items())
        return f"term {term} was {self.rows[index][term]} at iteration {number} ({told})", path

    def _repeat(self, iterations: Sequence[tuple[int, float]]) -> None:
        for number, factor in iterations:
            self.executor.iteration(self.block[number % BLOCK], number, factor)

    def _bad(self, index: int) -> tuple[dict[str, float], dict[str, Any]]:
        """Does iteration `index`: its gradient norms, and all that went into it."""
        executor, member = self.executor, self.executor.members[self.member]
        number, factor = self.iterations[index]
        stacked = self.block[number % BLOCK]
        draw = member_of(stacked, self.member) if executor.stacked else stacked
        weights = {
            name: {key: value.clone() for key, value in network.state_dict().items()}
            for name, network in member.networks.items()
        }
        with kept(draw.number.device):
            ahead = member.fakes_ahead(draw.d)  # repeated with the same dropout
            fakes = [
                (member.fakes(step.z, step.asked) if fake is None else fake).x
                for step, fake in zip(draw.d, ahead, strict=True)
            ]
        seen: dict[str, Tensor] = {}
        executor.iteration(stacked, number, factor, seen)
        norms = {
            key.removesuffix("/gradients"): float(norm[self.member] if executor.stacked else norm)
            for key, norm in seen.items()
        }
        return norms, {
            "iteration": number,
            "terms": [dict(row) for row in self.rows[: index + 1]],
            "real": [None if step.real is None else step.real.x.clone() for step in draw.d],
            "fake": fakes,
            "z": [step.z.clone() for step in draw.d],
            "label": [step.asked for step in draw.d],
            "real_g": None if draw.g.real is None else draw.g.real.x.clone(),
            "z_g": draw.g.z.clone(),
            "label_g": draw.g.asked,
            "noise": {"d": [dict(step.noise) for step in draw.d], "g": dict(draw.g.noise)},
            "networks_before": weights,
        }
