"""One forward of everything before the first step: networks that cannot be trained are refused in one line."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from ..devices import borrowed
from ..engine.executor import Eager, trained
from ..errors import InputError, calling
from ..types import Batch, Output, cat
from ..types.critic import Called, evaluating, kept_buffers, varying
from ..types.networks import check_logits, checked_end
from ..types.parts import two_functions
from .setup import Setup

TRIED = 4  # samples in a trial forward
FIRST = "change its first layer"
UNCUT = "leave out detach, .data, numpy, round, argmax, clamps that cut everything off, and integer conversions"


def check_networks(setup: Setup, executor: Eager) -> list[str]:
    """Notes on the networks; raises InputError for shapes, scores and gradients that cannot be intended."""
    generator = torch.Generator(setup.device).manual_seed(setup.seed)
    needs = setup.needs
    with borrowed(setup.seed, setup.device):
        n = needs.fake_g
        z = _batch_of(setup.latent(n, generator), n, "latent", "latents")
        real = Batch(setup.source.fresh(n, generator))
        label = setup.asked(n, generator)
        classes = ""
        if setup.conditions is not None and label is not None:
            real, classes = Batch(real.x, *setup.conditions.at(label)), " with their conditions"
        elif label is not None and setup.prior is not None:
            label[0] = setup.prior[-1]  # the highest class is tried, too
            real, classes = real._replace(label=label), f" with labels from 0 to {int(label.max())}"
        latents = "conditions alone" if setup.latent_dim == 0 else f"latents of shape {tuple(z.shape[1:])}{classes}"
        with calling(f"the generator cannot take {latents}", FIRST):
            made = executor.fakes(z, label)
        fake = tuple(_batch_of(made.x, n, "the generator", "samples").shape[1:])
        if fake != setup.source.shape:
            raise InputError(
                f"the generator must return samples of shape {setup.source.shape}, like the data, but returned {fake}: "
                "change its last layer"
            )
        taking = f"a discriminator cannot take samples of shape {setup.source.shape}, like the data{classes}"
        with calling(taking, FIRST):
            executor.probe(real, z, label)
        return check_gradients(setup, executor, z, label)


def check_gradients(setup: Setup, executor: Eager, z: Tensor, label: Tensor | None) -> list[str]:
    """Names parameters that take no part; raises InputError for a player that the loss cannot reach.

    From then on, a network that overwrites its input receives copies, because latents and reals are used again.
    """
    found = []
    with ExitStack() as stack:
        for network in setup.networks:
            stack.enter_context(kept_buffers(network))
        stack.enter_context(torch.enable_grad())
        stack.enter_context(trained([p for player in ("G", "D") for p in executor.trained(player).values()]))
        version = z._version
        fake = executor.made(z, label)
        if z._version != version:
            for network in (executor.G, *([] if executor.average is None else [executor.average.network])):
                network.register_forward_pre_hook(copied)
        if setup.fakes is None:
            found += reached("G", setup.G, executor.g_parameters, [fake.x], "its samples")
        else:
            found.append("no generator: D is trained alone on fixed fakes, and nothing is reported about a G")
        for name, opponent in setup.opponents.items():
            network, shown = executor.networks[name], opponent.method.present(fake)
            shown = shown._replace(x=shown.x.clone())
            version = shown.x._version
            with checked_end(network, name):
                said = executor.critics[name](shown)
            if shown.x._version != version:
                network.register_forward_pre_hook(copied)
            if opponent.gives != "logit":
                check_logits(said.logits, name)
            if said.logit_map is not None:
                found.append(many_logits(name, said))
            if cause := varying(network):
                found += [two_functions(p.name, name, cause) for p in opponent.penalties if p.compares]
            outputs = [said.logits, *said.features.values()]
            found += reached(name, network, executor.constrained[name], outputs, "its logits")
            if setup.fakes is None and opponent.weight and slopes_of(outputs, [fake.x])[0] is None:
                raise InputError(
                    f"expected {name} to pass a gradient to its samples, got none: G would learn nothing from "
                    f"it; {UNCUT}"
                )
    return found


def many_logits(name: str, said: Output) -> str:
    """Explains how a map's logits are used."""
    assert said.logit_map is not None
    heads = f" in {len(said.heads)} heads" if len(said.heads) > 1 else ""
    count = said.logit_map.shape[1]
    return f"{name} gives {count} logits of each sample{heads}: the loss is of each, all else of their mean"


def reached(
    name: str, network: nn.Module, parameters: Sequence[nn.Parameter], outputs: Sequence[Tensor], what: str
) -> list[str]:
    """Which of a network's parameters take no part in its outputs; raises InputError when no gradient reaches any."""
    slopes = dict(zip(map(id, parameters), slopes_of(outputs, parameters), strict=True))
    known = [slope for slope in slopes.values() if slope is not None]
    if not known or not any(slope.count_nonzero() for slope in known):
        got = "none" if not known else "one of exactly 0"
        raise InputError(f"expected a gradient through {what} to the weights of {name}, got {got}: {UNCUT}")
    idle = [key for key, p in network.named_parameters() if id(p) in slopes and slopes[id(p)] is None]
    if not idle:
        return []
    more = f" and {len(idle) - 3} more" if len(idle) > 3 else ""
    return [f"no gradient reaches {', '.join(idle[:3])}{more} of {name}: they stay unchanged"]


def slopes_of(outputs: Sequence[Tensor], inputs: Sequence[Tensor]) -> Sequence[Tensor | None]:
    """The gradients of random sums of the outputs: those of a plain sum vanish after a softmax or norm."""
    open_ones = [each for each in outputs if each.requires_grad]
    if not open_ones:
        return [None] * len(inputs)
    weights = [torch.randn_like(each) for each in open_ones]
    return torch.autograd.grad(open_ones, inputs, weights, retain_graph=True, allow_unused=True)


def copied(_: nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
    """A forward's arguments, with a copy of the first."""
    return given[0].clone(), *given[1:]


def _batch_of(found: Any, n: int, whose: str, what: str) -> Tensor:
    """The result of the user's function as a tensor (n, ...); raises InputError for anything else."""
    if not isinstance(found, Tensor):
        raise InputError(f"{whose} must return a tensor of {n} {what}, not {type(found).__name__}")
    if found.ndim < 1 or found.shape[0] != n:
        raise InputError(f"{whose} must return {n} {what} when asked for {n}, but returned shape {tuple(found.shape)}")
    return found


def work_of(setup: Setup) -> int:
    """Multiply-adds of one forward of G and every D on a batch; the number of parameters where a forward fails."""
    from torch.utils.flop_counter import FlopCounterMode

    count, n = FlopCounterMode(display=False), setup.sides.real
    try:
        inputs, calls = inputs_of(setup), setup.calls
        with borrowed(0, setup.device), torch.no_grad(), count:
            for name, network in setup.named_networks.items():
                network.to(setup.device, setup.dtype)
                with kept_buffers(network), evaluating(network):  # batch norm counts alike, too
                    Called(network, calls.get(name))(inputs[name])
        return count.get_total_flops() * n // (2 * TRIED)
    except Exception:  # a wrong shape is told by `check_networks`
        return n * sum(p.numel() for network in setup.networks for p in network.parameters())


def inputs_of(setup: Setup) -> dict[str, Batch]:
    """Inputs on which each network is tried: latents for G, samples for the others, labels where there are any."""
    generator = torch.Generator(setup.device).manual_seed(0)
    with borrowed(0, setup.device):
        z = setup.latent(TRIED, generator).to(setup.device)
    label = setup.asked(TRIED, generator)
    given = (label, None) if setup.conditions is None or label is None else setup.conditions.at(label)
    real = Batch(setup.source.fresh(TRIED, generator), *given)
    shown = {name: o.method.present(cat(*[real] * o.method.raw(1))) for name, o in setup.opponents.items()}
    return {"G": Batch(z, *given), **shown}
