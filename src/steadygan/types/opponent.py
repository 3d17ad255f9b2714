"""A discriminator together with everything that trains it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from ..errors import InputError, check_number
from .parts import Constraint, Loss, Method, Now, Part, Penalty


@dataclass(frozen=True)
class Opponent:
    """A discriminator with all that trains it; a plain GAN is a mapping of length one."""

    critic: Any  # module or callable, x -> logits
    loss: Loss
    penalties: tuple[Penalty, ...] = ()
    method: Method = field(default_factory=Method)
    constraint: Constraint | None = None
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not isinstance(self.loss, Loss):
            raise InputError(f"loss must be a steadygan loss such as losses.Hinge(), not {self.loss!r}")
        for penalty in self.penalties:
            if not isinstance(penalty, Penalty):
                raise InputError(f"a penalty must be one such as penalties.r1(10), not {penalty!r}")
        if not isinstance(self.method, Method):
            raise InputError(f"method must be one such as methods.FakeAsReal(8), not {self.method!r}")
        check_number("the opponent's weight", self.weight, 0)
        if self.method.replaces_loss and not self.loss.empty:
            raise InputError(
                f"expected no loss beside the method {self.method.name}, which has an objective of its own, got "
                f"{self.loss.name}: leave the loss out, or give losses.Nothing()"
            )
        if self.loss.empty and not self.method.replaces_loss:
            raise InputError(
                f"expected a loss beside the method {self.method.name or 'plain'}, got one without terms: give for "
                "instance losses.NonSaturating()"
            )
        names = [penalty.name for penalty in self.penalties]
        if len(set(names)) != len(names):
            raise InputError(f"each penalty may stand once per discriminator, but these came: {', '.join(names)}")

    def parts(self) -> Iterator[tuple[str, Part]]:
        """Every part with its key: `loss`, `method`, `penalty/<name>`."""
        yield "loss", self.loss
        yield "method", self.method
        for penalty in self.penalties:
            yield f"penalty/{penalty.name}", penalty

    def at(self, now: Now) -> Opponent:
        """All parts as they are at this step."""
        return replace(
            self,
            loss=self.loss.at(now.enter("loss")),
            method=self.method.at(now.enter("method")),
            penalties=tuple(p.at(now.enter(f"penalty/{p.name}")) for p in self.penalties),
        )

    def active(self, step: int) -> Opponent:
        """The opponent with only the penalties that act in D step number `step`."""
        acting = tuple(p for p in self.penalties if p.active(step))
        return self if len(acting) == len(self.penalties) else replace(self, penalties=acting)

    def without_penalties(self) -> Opponent:
        """The opponent as the generator's step sees it."""
        return replace(self, penalties=()) if self.penalties else self

    def needs_real(self) -> bool:
        """Whether the generator step must score reals."""
        return any(part.needs_real for _, part in self.parts())
