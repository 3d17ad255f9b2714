"""One forward of everything before the first step, so that a wrong shape is told in one line."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor

from ..devices import borrowed
from ..engine.executor import Eager
from ..errors import InputError, calling
from ..latents import labels
from ..types import Batch, cat
from ..types import critic as wrapped
from ..types.critic import evaluating, kept_buffers
from ..types.labels import told
from .setup import Setup

TRIED = 2  # samples in the forward that is counted
FIRST = "change its first layer"


def check_shapes(setup: Setup, executor: Eager) -> None:
    """One forward of everything, so that a wrong shape is told before the first step."""
    generator = torch.Generator(setup.device).manual_seed(setup.seed)
    needs = setup.needs
    with borrowed(setup.seed, setup.device):
        n = needs.fake_g
        z = _batch_of(setup.latent(n, generator), n, "latent", "latents")
        real = setup.source.fresh(n, generator)
        label = None if setup.prior is None else labels(setup.prior, n, generator)
        if label is not None and setup.prior is not None:
            label[0] = setup.prior[-1]  # the highest class is tried, too
        classes = "" if label is None else f" with labels from 0 to {int(label.max())}"
        with calling(f"the generator cannot take latents of shape {tuple(z.shape[1:])}{classes}", FIRST):
            made = executor.fakes(z, label)
        fake = tuple(_batch_of(made.x, n, "the generator", "samples").shape[1:])
        if fake != setup.source.shape:
            raise InputError(
                f"the generator must return samples of shape {setup.source.shape}, as the data's, but returned {fake}: "
                "change its last layer"
            )
        taking = f"a discriminator cannot take samples of shape {setup.source.shape}, as the data's{classes}"
        with calling(taking, FIRST):
            executor.probe(Batch(real, label), z, label)


def _batch_of(found: Any, n: int, whose: str, what: str) -> Tensor:
    """What the user's function returned, as a tensor (n, ...); raises InputError when it is not that."""
    if not isinstance(found, Tensor):
        raise InputError(f"{whose} must return a tensor of {n} {what}, not {type(found).__name__}")
    if found.ndim < 1 or found.shape[0] != n:
        raise InputError(f"{whose} must return {n} {what} when asked for {n}, but returned shape {tuple(found.shape)}")
    return found


def work_of(setup: Setup) -> int:
    """Multiply-adds of one forward of G and of every D with a batch; by the number of parameters where they fail."""
    from torch.utils.flop_counter import FlopCounterMode

    n, first = setup.sides.real, next(setup.G.parameters())
    generator = torch.Generator(setup.device).manual_seed(setup.seed)
    count = FlopCounterMode(display=False)
    try:
        with ExitStack() as stack:
            for network in setup.networks:
                stack.enter_context(kept_buffers(network))
                stack.enter_context(evaluating(network))  # batch norm counts alike, and one sample is enough
            stack.enter_context(borrowed(setup.seed, setup.device))
            stack.enter_context(torch.no_grad())
            z = setup.latent(TRIED, generator).to(first.device, first.dtype)
            label = None if setup.prior is None else setup.prior[:1].to(first.device).expand(TRIED)
            stack.enter_context(count)
            fake = Batch(setup.G(z, **told(setup.G, label)), label)
            for opponent in setup.opponents.values():
                whole = opponent.method.raw(1)
                wrapped(opponent.critic)(opponent.method.present(cat(*[fake] * whole)))
        return count.get_total_flops() * n // (2 * TRIED)
    except Exception:  # a wrong shape is told by `check_shapes`
        return n * sum(p.numel() for network in setup.networks for p in network.parameters())
