"""One look at a run: what G receives, what D makes of both sides, how fakes lie among reals, and how weights stand."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import NamedTuple

import torch
from torch import Tensor

from ..devices import borrowed
from ..diagnostics.gradients import Sight, gradient_figures, look, norms_of
from ..diagnostics.hidden import HiddenUnits
from ..diagnostics.indicators import PAIRS, indicators, joined
from ..diagnostics.probe import dead_discriminator
from ..diagnostics.weights import ema_distance, non_finite, parameter_norm
from ..diagnostics.yardstick import Yardstick
from ..engine.draws import drawn
from ..engine.executor import Eager
from ..engine.needs import noise_of, shown_shape
from ..types import Batch, Now, Opponent
from ..types.critic import evaluating, kept_buffers

POINTS, IMAGES = 512, 128  # samples whose gradients are looked at


class Shown(NamedTuple):
    """What looks are taken at: latents of the probe's own, training samples, and real ones that D never meets."""

    z: Tensor
    label: Tensor | None
    training: Batch
    fresh: Tensor
    held_out: bool  # whether `fresh` are samples that D is not trained on, of classes that it need not be told


class Looks:
    """Takes looks at one run; each leaves weights, buffers and random numbers as they were."""

    def __init__(self, executor: Eager, shown: Shown, shape: tuple[int, ...], seed: int, device: torch.device) -> None:
        self.executor, self.shown, self.shape, self.seed, self.device = executor, shown, shape, seed, device
        self._yardstick: Yardstick | None = None

    def __call__(self, iteration: int) -> tuple[dict[str, float], dict[str, str]]:
        """The figures, and why each dead opponent counts as dead."""
        figures: dict[str, float] = {}
        dead: dict[str, str] = {}
        received: list[Tensor] = []
        with undisturbed(self.executor, self.seed, self.device):
            made = self.executor.made(self.shown.z, self.shown.label)
            fake = Batch(made.x.detach(), made.label)
            for name, resting in self.executor.opponents.items():
                opponent = self._at(name, resting, iteration)
                with HiddenUnits(self.executor.networks[name]) as units:
                    sight = self._sight(name, opponent, fake, units)
                received.append(opponent.weight * sight.received)
                active = units.active()
                reason = dead_discriminator(gradient_figures(norms_of(sight.slope))["mean"], active)
                if reason is not None:
                    dead[name] = reason
                if not figures:  # of several opponents, the first is described
                    figures = self._judged(name, opponent, sight, fake, active)
        alike = [each for each in received if each.shape == received[0].shape]  # packs have another shape
        total = torch.stack(alike).sum(0) if len(alike) > 1 else alike[0]
        figures |= {f"gradient_{key}": value for key, value in gradient_figures(norms_of(total)).items()}
        figures["non_finite"] += float(non_finite(total))
        return figures | self._weights(), dead

    def _sight(self, name: str, opponent: Opponent, fake: Batch, units: HiddenUnits) -> Sight:
        """Looks at whole groups only, as many samples at a time as in training where they depend on each other."""
        method, critic = opponent.method, self.executor.critics[name]
        together = critic.couples_samples or opponent.needs_real()
        whole = method.raw(fake.size // method.raw(1))
        sides = (method.present(batch.first(whole)) for batch in (fake, self.shown.training))
        pairs = zip(*(in_parts(batch, self.executor.sides.fake if together else 0) for batch in sides), strict=True)
        return joined([look(critic, opponent.loss, one, other, method, units) for one, other in pairs])

    def _judged(self, name: str, opponent: Opponent, sight: Sight, fake: Batch, active: float) -> dict[str, float]:
        """What D's outputs say, and where the fakes lie."""
        method, critic = opponent.method, self.executor.critics[name]
        held_out = None
        if self.shown.held_out:
            fresh = Batch(self.shown.fresh)
            whole = method.raw(fresh.size // method.raw(1))
            size = self.executor.sides.fake if critic.couples_samples else 0
            parts = in_parts(method.present(fresh.first(whole)), size)
            held_out = torch.cat([critic.constant(part).logits for part in parts])
        return indicators(sight, fake.x, active, self.yardstick, held_out, alone=method.raw(1) == 1)

    def _weights(self) -> dict[str, float]:
        executor = self.executor
        norms = {"weight_norm_g": parameter_norm(executor.G)}
        norms["weight_norm_d"] = parameter_norm(executor.networks[next(iter(executor.opponents))])
        if executor.average is not None:
            norms["ema_distance"] = ema_distance(executor.average.network, executor.G)
        return norms

    @property
    def yardstick(self) -> Yardstick:
        """The first real samples, with what is worked out of them once."""
        if self._yardstick is None:
            self._yardstick = Yardstick(self.shown.training.x[:PAIRS], self.shown.fresh[:PAIRS])
        return self._yardstick

    def _at(self, name: str, opponent: Opponent, iteration: int) -> Opponent:
        """The opponent of a G step at this iteration, with random numbers of the probe's own."""
        resting = opponent.without_penalties()
        generator = torch.Generator(self.device).manual_seed(self.seed)
        draws = noise_of(resting, self.executor.sides, shown_shape(resting, self.shape))
        dtype = self.shown.z.dtype
        noise = {
            part: {key: drawn(draw, generator, dtype) for key, draw in sorted(own.items())}
            for part, own in draws.items()
        }
        state: Mapping[str, Mapping[str, Tensor]] = self.executor.parts.get(name, {})
        return resting.at(Now(torch.tensor(iteration, device=self.device), state, noise))


def in_parts(batch: Batch, size: int) -> tuple[Batch, ...]:
    """As many parts of this size as the batch fills; all of it for 0, and where it fills none."""
    whole = batch.size // size if size else 0
    return batch.split(*[size] * whole, batch.size - size * whole)[:whole] if whole else (batch,)


def undisturbed(executor: Eager, seed: int, device: torch.device) -> ExitStack:
    """Buffers and torch's global generators stay as they are; networks are in eval mode."""
    stack = ExitStack()
    stack.enter_context(borrowed(seed, device))
    for network in executor.networks.values():
        stack.enter_context(kept_buffers(network))
        stack.enter_context(evaluating(network))
    return stack
