"""The precision in which the networks compute, where gradients are taken and where samples are only ranked."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import torch
from torch import Tensor

from ..config.settings import KINDS, Kind, check_precision
from ..errors import unknown
from ..types import Batch, Critic, Output, cat
from ..types.critic import Forward
from ..types.output import widened

Generate: TypeAlias = Callable[[Tensor, Tensor | None], Batch]


@dataclass(frozen=True)
class Precision:
    """The precision of the forwards of G and D: torch's autocast to bf16, or the run's own dtype, here called float32.

    trained: wherever gradients are taken; ranked: where candidates are made and ranked, None for the same as `trained`.
    Weights, optimisers and averages keep their dtype. Outside the networks, samples, logits, features and input
    gradients are float32, and losses, penalties and methods compute in it. Raises InputError for another precision.
    """

    trained: Kind = "float32"
    ranked: Kind | None = None

    def __post_init__(self) -> None:
        for what, kind in (("precision", self.trained), ("candidates' precision", self.ranked or self.trained)):
            if kind not in KINDS:
                raise unknown(what, kind, KINDS)

    @property
    def plain(self) -> bool:
        """Whether every forward is the same as without this setting."""
        return self.trained == "float32" and not self.divided

    @property
    def divided(self) -> bool:
        """Whether candidates are made and ranked in another precision than the rest."""
        return self.ranked not in (None, self.trained)

    def check(self, dtype: torch.dtype) -> None:
        """Raises InputError for bf16 in a run of float64."""
        check_precision(str(dtype).removeprefix("torch."), self.trained, self.ranked)

    def made(self, generate: Generate, z: Tensor, asked: Tensor | None = None) -> Batch:
        """generate(z, asked) in the precision of training, with samples in float32."""
        if self.trained == "float32":
            return generate(z, asked)
        with _context(self.trained, z.device.type):
            batch = generate(z, asked)
        return _widened(batch)

    def fakes(self, generate: Generate, z: Tensor, asked: Tensor | None, shown: int) -> Batch:
        """The fakes of a D step: the first `shown` as `made` returns them, then candidates in the ranked precision."""
        if not self.divided or z.shape[0] <= shown:
            return self.made(generate, z, asked)
        parts = (None, None) if asked is None else (asked[:shown], asked[shown:])
        first = self.made(generate, z[:shown], parts[0])
        with _context(self.ranked or self.trained, z.device.type):
            rest = generate(z[shown:], parts[1])
        return cat(first, _widened(rest))

    def critic(self, critic: Critic, device_type: str) -> Critic:
        """The critic with its forwards in these precisions; the same object where nothing changes."""
        if self.plain:
            return critic
        judged = critic.wrap(lambda forward: _inside(self.trained, device_type, forward))
        if not self.divided:
            return judged
        quiet = critic.ranked or critic.untracked or critic.forward
        return replace(judged, ranked=_inside(self.ranked or self.trained, device_type, quiet))


def _context(kind: Kind, device_type: str) -> AbstractContextManager[Any]:
    """Around a forward of this precision, backward passes left out."""
    if kind == "float32":
        return nullcontext()
    # No cache of cast weights: inside of somebody's autocast it would outlive an optimiser's step. One forward casts
    # each weight once anyway.
    return torch.autocast(device_type, dtype=torch.bfloat16, cache_enabled=False)


def _inside(kind: Kind, device_type: str, forward: Forward) -> Forward:
    def run(batch: Batch) -> Output:
        with _context(kind, device_type):
            return forward(batch)

    return run


def _widened(batch: Batch) -> Batch:
    return batch._replace(x=widened(batch.x))
