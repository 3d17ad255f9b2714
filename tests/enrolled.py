"""Every registered loss, penalty and method as an opponent that can be stepped: to register a part is to test it.

A part whose settings have no default needs a value in `SETTINGS`, by the name of the setting; nothing else is listed.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import torch
from torch import Tensor

from known import F64, generator, normal
from steadygan.engine.objective import Sides
from steadygan.losses import LOSSES, NonSaturating, Nothing, RelativisticPairing
from steadygan.methods import METHODS, FakeAsReal, Packing, chain
from steadygan.penalties import PENALTIES, one_gp, r1, r2, zero_gp
from steadygan.types import Batch, Draw, Loss, Method, Now, Opponent

SIDES = Sides(6, 8)  # different, so that pairing and shuffling have something to do
SETTINGS: dict[str, Any] = {"count": 3, "in_features": 2, "out_features": 1}
IMAGES = ("diff_augment",)  # methods for images alone


@dataclass(frozen=True)
class Pictured(Method):
    """A method for images where samples are vectors: number j of a sample is channel j, a ramp over 4 x 4 pixels."""

    method: Method

    name = "pictured"

    def noise(self, real: int, fake: int, shape: tuple[int, ...]) -> Mapping[str, Draw]:
        return self.method.noise(real, fake, shape)

    def at(self, now: Now) -> Self:
        return replace(self, method=self.method.at(now))

    def present(self, batch: Batch) -> Batch:
        x = batch.x
        if x.ndim != 2:
            return self.method.present(batch)
        ramp = torch.linspace(0.5, 1.5, 16, dtype=x.dtype, device=x.device).view(4, 4)
        shown = self.method.present(Batch(x[:, :, None, None] * ramp, batch.label))
        return Batch(shown.x.flatten(1), shown.label)


def make(entry: Callable[..., Any], **settings: Any) -> Any:
    """A registered class or factory called with its defaults, and with `SETTINGS` where it has none."""
    for name, parameter in inspect.signature(entry).parameters.items():
        if parameter.default is parameter.empty and name not in settings:
            assert name in SETTINGS, f"{entry}: give `{name}`, which has no default, a value in tests/enrolled.py"
            settings[name] = SETTINGS[name]
    return entry(**settings)


OWN_NETWORK = ("denoising_feature_matching",)  # wants a D of its own, and has these tests in tests/methods


def loss_beside(method: Method) -> Loss:
    """A loss for a method under test: none beside one that brings the whole objective."""
    return Nothing() if method.replaces_loss else NonSaturating()


OPPONENTS: dict[str, Opponent] = {
    **{f"loss {name}": Opponent(None, make(entry)) for name, entry in LOSSES.items()},
    **{f"penalty {name}": Opponent(None, NonSaturating(), (make(entry),)) for name, entry in PENALTIES.items()},
    **{
        f"method {name}": Opponent(None, loss_beside(made), (), Pictured(made) if name in IMAGES else made)
        for name, made in ((name, make(entry)) for name, entry in METHODS.items())
        if name not in OWN_NETWORK
    },
    "all together": Opponent(
        None,
        RelativisticPairing(),
        (r1(1.0), r2(1.0, of="probability"), zero_gp(1.0), one_gp(1.0)),
        chain(Packing(2), FakeAsReal(2, 2)),
    ),
}


def shown(opponent: Opponent, shape: tuple[int, ...] = (2,)) -> tuple[int, ...]:
    """The shape of a sample as the critic is shown it."""
    method = opponent.method
    return tuple(method.present(Batch(torch.zeros(method.raw(1), *shape))).x.shape[1:])


def drawn(opponent: Opponent, player: str, sides: Sides = SIDES) -> tuple[int, int]:
    """How many real and fake samples a step of this player takes."""
    method = opponent.method
    real, fake = (method.draws_d if player == "D" else method.draws_g)(*sides)
    return method.raw(real), method.raw(fake)


def noise(opponent: Opponent, shape: tuple[int, ...] = (2,), dtype: torch.dtype = F64, seed: int = 0) -> dict[str, Any]:
    """The random numbers of one D step, part by part; the part's own names."""
    numbers: dict[str, Any] = {}
    source = generator(seed)
    for key, part in opponent.parts():
        for name, (size, kind) in part.noise(*SIDES, shown(opponent, shape)).items():
            draw = torch.rand if kind == "uniform" else torch.randn
            numbers.setdefault(key, {})[name] = draw(size, generator=source, dtype=dtype)
    return numbers


def states(opponent: Opponent) -> dict[str, Mapping[str, Tensor]]:
    return dict(opponent.initial_states(*SIDES))


def now(opponent: Opponent, shape: tuple[int, ...] = (2,), dtype: torch.dtype = F64, seed: int = 0) -> Now:
    return Now(torch.tensor(0), {"D": states(opponent)}, {"D": noise(opponent, shape, dtype, seed)})


def samples(
    opponent: Opponent, player: str, shape: tuple[int, ...] = (2,), dtype: torch.dtype = F64, seed: int = 0
) -> tuple[Tensor, Tensor]:
    real, fake = drawn(opponent, player)
    return normal(seed + 1, real, *shape).to(dtype) + 0.5, normal(seed + 2, fake, *shape).to(dtype)
