"""What a part's settings are seen beside, when they are asked whether they fit."""

from __future__ import annotations

from typing import Any, NamedTuple

from .block import Block, Parts


class JudgeSettings(NamedTuple):
    """All settings of one discriminator."""

    discriminator: Block
    loss: Block
    penalty: Parts
    method: Parts
    constraint: Parts
    weight: float = 1.0

    def overlaid(self, own: Any) -> JudgeSettings:
        """These settings where `own`, of one of several opponents, has none."""
        theirs = {key: getattr(own, key) for key in self._fields}
        return self._replace(**{key: value for key, value in theirs.items() if value is not None})


class Context(NamedTuple):
    """What a part's settings may depend on; those that do have a function `fits`, which raises InputError."""

    where: str  # what stands before their keys
    judge: JudgeSettings
    generator: Block
    batch_size: int
    conditional: bool  # networks are told classes
    image: bool | None  # whether data are images; None where that is not known yet
    alone: bool  # whether it is the only discriminator

    def check(self) -> None:
        """Raises InputError for settings of one discriminator that do not go together."""
        judge = self.judge
        parts = [*judge.method.values(), judge.discriminator, judge.loss, *judge.penalty.values()]
        for part in [*parts, *judge.constraint.values()]:
            fits = getattr(part, "fits", None)
            if fits is not None:
                fits(self)
