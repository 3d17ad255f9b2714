"""One forward of everything before the first step, so that a wrong shape is told in one line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ..devices import borrowed
from ..engine.executor import Eager
from ..errors import InputError, calling
from ..latents import labels
from ..types import Batch, cat
from ..types.critic import evaluating, kept_buffers
from ..types.labels import told
from .setup import Setup

TRIED = 4  # samples in a trial forward
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

    count, n = FlopCounterMode(display=False), setup.sides.real
    try:
        inputs = inputs_of(setup)
        with borrowed(0, setup.device), torch.no_grad(), count:
            for name, network in setup.named_networks.items():
                network.to(setup.device, setup.dtype)
                with kept_buffers(network), evaluating(network):  # batch norm counts alike, too
                    forward_of(network, inputs[name])
        return count.get_total_flops() * n // (2 * TRIED)
    except Exception:  # a wrong shape is told by `check_shapes`
        return n * sum(p.numel() for network in setup.networks for p in network.parameters())


def inputs_of(setup: Setup) -> dict[str, Batch]:
    """What each network is tried with: latents for G, samples for the others, labels where there are any."""
    generator = torch.Generator(setup.device).manual_seed(0)
    with borrowed(0, setup.device):
        z = setup.latent(TRIED, generator).to(setup.device)
    label = None if setup.prior is None else labels(setup.prior, TRIED, generator)
    real = Batch(setup.source.fresh(TRIED, generator), label)
    shown = {name: o.method.present(cat(*[real] * o.method.raw(1))) for name, o in setup.opponents.items()}
    return {"G": Batch(z, label), **shown}


def forward_of(network: nn.Module, inputs: Batch, call: Callable[..., Any] | None = None) -> Any:
    """What a network makes of its inputs, with labels where it takes them; call: in place of its own forward."""
    classes = told(network, inputs.label)
    return network(inputs.x, **classes) if call is None else call((inputs.x,), classes)
