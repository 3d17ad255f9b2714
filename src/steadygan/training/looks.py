"""Looks at a run in training, through the eyes of its opponents: nothing here changes a bit of it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import NamedTuple

import torch
from torch import Tensor

from ..devices import borrowed
from ..diagnostics.look import PAIRS, Subject, take_look
from ..diagnostics.norms import ema_distance, parameter_norm
from ..diagnostics.yardstick import Yardstick
from ..engine.draws import drawn
from ..engine.executor import Eager
from ..engine.needs import noise_of, shown_shape
from ..types import Batch, Now, Opponent
from ..types.critic import evaluating, kept_buffers

POINTS, IMAGES = 512, 128  # samples whose gradients are looked at


class Sights(NamedTuple):
    """What looks are taken at: latents of the probe's own, training samples, and real ones that D never meets."""

    z: Tensor
    label: Tensor | None
    training: Batch
    fresh: Tensor
    held_out: bool  # whether `fresh` are samples that D is not trained on, of classes that it need not be told


class Looks:
    """Takes looks at one run; each leaves weights, buffers and random numbers as they were."""

    def __init__(self, executor: Eager, shown: Sights, shape: tuple[int, ...], seed: int, device: torch.device) -> None:
        self.executor, self.shown, self.shape, self.seed, self.device = executor, shown, shape, seed, device
        self._yardstick: Yardstick | None = None

    def __call__(self, iteration: int) -> tuple[dict[str, float], dict[str, str]]:
        """The figures, and why each dead opponent counts as dead."""
        executor, shown = self.executor, self.shown
        if self._yardstick is None:
            self._yardstick = Yardstick(shown.training.x[:PAIRS], shown.fresh[:PAIRS])
        with undisturbed(executor, self.seed, self.device):
            made = executor.made(shown.z, shown.label)
            fake = Batch(made.x.detach(), made.label)
            subjects = {name: self._subject(name, own, iteration) for name, own in executor.opponents.items()}
            held_out = Batch(shown.fresh) if shown.held_out else None
            look = take_look(subjects, fake, shown.training, self._yardstick, held_out)
        figures = look.figures | {"weight_norm_g": parameter_norm(executor.G)}
        figures["weight_norm_d"] = parameter_norm(executor.networks[next(iter(subjects))])
        if executor.average is not None:
            figures["ema_distance"] = ema_distance(executor.average.network, executor.G)
        return figures, look.dead

    def _subject(self, name: str, opponent: Opponent, iteration: int) -> Subject:
        """The opponent of a G step at this iteration, with random numbers of the probe's own.

        It meets as many samples at a time as in training, where they depend on each other.
        """
        executor, resting = self.executor, opponent.without_penalties()
        generator = torch.Generator(self.device).manual_seed(self.seed)
        draws = noise_of(resting, executor.sides, shown_shape(resting, self.shape))
        noise = {
            part: {key: drawn(draw, generator, self.shown.z.dtype) for key, draw in sorted(own.items())}
            for part, own in draws.items()
        }
        state: Mapping[str, Mapping[str, Tensor]] = executor.parts.get(name, {})
        at = resting.at(Now(torch.tensor(iteration, device=self.device), state, noise))
        critic, chunk = executor.critics[name], executor.sides.fake
        return Subject(
            critic,
            at.loss,
            executor.networks[name],
            at.method,
            at.weight,
            together=chunk if critic.couples_samples or at.needs_real() else 0,
            alone=chunk if critic.couples_samples else 0,
        )


def undisturbed(executor: Eager, seed: int, device: torch.device) -> ExitStack:
    """Buffers and torch's global generators stay as they are; networks are in eval mode."""
    stack = ExitStack()
    stack.enter_context(borrowed(seed, device))
    for network in executor.networks.values():
        stack.enter_context(kept_buffers(network))
        stack.enter_context(evaluating(network))
    return stack
