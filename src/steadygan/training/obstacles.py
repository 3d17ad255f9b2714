"""Reasons why runs cannot be trained side by side, or compiled, found before the first step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import stack_module_state, vmap
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd
from torch.testing import assert_close

from ..devices import borrowed
from ..engine.executor import trained
from ..engine.members import Flat
from ..engine.optim import OptimizerFactory
from ..errors import first_line
from ..types import Batch
from ..types.critic import Called, auxiliaries_of, kept_modes
from ..types.output import as_output
from .checks import TRIED, inputs_of
from .opponents import parts_in
from .setup import Setup

PLAIN = (bool, int, float, complex, str, bytes, tuple, list, dict, set, type(None))
SHAPES = ((4, 3), (5,), (2, 3, 2))  # of the parameters that an optimiser is tried with


def obstacle(setups: Sequence[Setup], alone: bool = False) -> str | None:
    """Why these runs cannot form a stack, in words; None if no reason was found.

    alone: why a single run cannot be trained by functions of its weights, as compiling requires.
    """
    first = setups[0]
    for setup in setups:
        for network in setup.networks:
            network.to(setup.device, setup.dtype)
    if not alone and first.device.type == "cpu" and any(convolutional(network) for network in first.networks):
        return "convolutional networks train faster one after the other on a CPU"
    if first.conditions is not None:
        return "data with conditions are trained one run at a time"
    reason = _latent(first) or mixes_entries(first.optimizer, first.rates[0]) or shared(first)
    inputs = inputs_of(first)
    for name in first.named_networks:
        reason = reason or differing(name, [setup.named_networks[name] for setup in setups])
    called = [
        {name: Called(network, setup.calls.get(name)) for name, network in setup.named_networks.items()}
        for setup in setups
    ]
    for own in called:
        for name, each in own.items():
            reason = reason or restless(name, each, inputs[name]) or counting(name, each.network)
    for name, each in called[0].items():
        embeds = name in first.opponents and first.opponents[name].method.replaces_loss
        reason = reason or idle(name, each, inputs[name], first.trainable, embeds)
    for name in called[0]:
        reason = reason or _together(name, [own[name] for own in called], inputs[name])
    return reason


def convolutional(network: nn.Module) -> bool:
    """Whether a network has convolutions."""
    return any(isinstance(part, nn.modules.conv._ConvNd) for part in network.modules())


def differing(name: str, networks: Sequence[nn.Module]) -> str | None:
    """The first thing besides weights in which networks differ: a stacked step uses the code of only one network."""
    first = dict(networks[0].named_modules())
    for network in networks[1:]:
        other = dict(network.named_modules())
        kinds = [{key: type(part).__qualname__ for key, part in parts.items()} for parts in (first, other)]
        if kinds[0] != kinds[1]:
            return f"{name} is not built alike for every seed"
        for key, part in first.items():
            ours, theirs = state_of(part), state_of(other[key])
            for attribute in (name for name in ours.keys() | theirs.keys() if not name.startswith("_")):
                words = ours.get(attribute), theirs.get(attribute)
                if str in map(type, words) and words[0] != words[1]:
                    return f"{name} differs between seeds in the attribute {_place(attribute, key)}"
        shapes = [{key: t.shape for key, t in each.state_dict().items()} for each in (networks[0], network)]
        if shapes[0] != shapes[1]:
            return f"{name} has weights of other shapes for another seed"
    return None


def restless(name: str, called: Called, inputs: Batch) -> str | None:
    """What a network's forward changes: its buffers, Python state, or torch's random state."""
    network = called.network
    with kept_modes(network), torch.no_grad(), borrowed(0, inputs.x.device):
        network.train()
        buffers = {key: value.clone() for key, value in network.named_buffers()}
        python = {key: state_of(part) for key, part in network.named_modules()}
        random = torch.get_rng_state()
        try:
            called(inputs)
        except Exception:  # a wrong shape is told elsewhere, and better
            return None
        drawn = not torch.equal(random, torch.get_rng_state())
        moved = [key for key, value in network.named_buffers() if not torch.equal(value, buffers[key])]
        for key, value in network.named_buffers():
            value.copy_(buffers[key])
    for key, part in network.named_modules():
        now = state_of(part)
        for attribute in now.keys() | python[key].keys():
            if now.get(attribute) != python[key].get(attribute):
                return f"{name} holds Python state: its forward changes the attribute {_place(attribute, key)}"
    if moved:
        return f"{name} changes its buffer {moved[0]} in its forward"
    return f"{name} draws random numbers in its forward" if drawn else None


def counting(name: str, network: nn.Module) -> str | None:
    """Batch norm or dropout in an auxiliary, which the network's own forward does not run."""
    for key, part in auxiliaries_of(network).items():
        for each in part.modules():
            if isinstance(each, _BatchNorm):
                return f"{name}.{key} has batch norm, whose buffers change in its forward"
            if isinstance(each, _DropoutNd):
                return f"{name}.{key} has dropout, which draws random numbers in its forward"
    return None


def shared(setup: Setup) -> str | None:
    """Two networks that share a parameter."""
    seen: dict[int, str] = {}
    for name, network in setup.named_networks.items():
        for p in network.parameters():
            if seen.setdefault(id(p), name) != name:
                return f"{seen[id(p)]} and {name} share parameters"
    return None


def idle(name: str, called: Called, inputs: Batch, trainable: frozenset[int], embeds: bool = False) -> str | None:
    """The first trained parameter that does not affect the output; for a single run, the optimiser leaves it unchanged.

    embeds: the output is the features, where there are any, instead of the logits.
    """
    network = called.network
    aside = {id(p) for part in auxiliaries_of(network).values() for p in part.parameters()}
    open_ones = {key: p for key, p in network.named_parameters() if id(p) in trainable and id(p) not in aside}
    frozen = [p for p in open_ones.values() if not p.requires_grad]
    with trained(frozen), torch.enable_grad(), borrowed(0, inputs.x.device):
        try:
            result = _output(called(inputs), inputs.size, embeds)
            slopes = torch.autograd.grad(result.sum(), [*open_ones.values()], allow_unused=True)
        except Exception:  # told elsewhere
            return None
    unused = [key for key, slope in zip(open_ones, slopes, strict=True) if slope is None]
    return f"the parameter {unused[0]} of {name} takes no part in its output" if unused else None


def mixes_entries(factory: OptimizerFactory, rate: float) -> str | None:
    """Whether an optimiser's update of one entry depends on others, so that members would affect each other."""
    generator = torch.Generator().manual_seed(0)

    def normal(shape: Sequence[int]) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    lone = [[nn.Parameter(normal(shape)) for shape in SHAPES] for _ in range(2)]
    layout = Flat.of({str(i): p for i, p in enumerate(lone[0])})
    whole = nn.Parameter(torch.stack([layout.joined({str(i): p for i, p in enumerate(own)}) for own in lone]))
    name = getattr(factory, "name", None)
    try:
        optimizers = [factory(own, rate) for own in lone]
        together = factory([whole], rate)
        name = name or type(together).__name__
        for _ in range(3):
            slopes = [[normal(shape) for shape in SHAPES] for _ in lone]
            whole.grad = torch.stack([layout.joined({str(i): g for i, g in enumerate(own)}) for own in slopes])
            for own, found, optimizer in zip(lone, slopes, optimizers, strict=True):
                for p, slope in zip(own, found, strict=True):
                    p.grad = slope
                optimizer.step()
            together.step()
        if len(together.param_groups) != 1:
            return f"the optimiser {name} makes several groups of parameters"
        for k, own in enumerate(lone):
            for p, view in zip(own, layout.views(whole.detach()[k]).values(), strict=True):
                assert_close(p.detach(), view, rtol=1e-9, atol=1e-12)
    except AssertionError:
        return f"the optimiser {name} mixes the entries of a parameter"
    except Exception as error:
        return f"the optimiser {name or 'given'} cannot step stacked parameters ({first_line(error)})"
    return None


def state_of(part: nn.Module) -> dict[str, Any]:
    """What a module holds besides parameters, buffers and sub-modules, to detect a change."""
    other = ("_parameters", "_buffers", "_modules", "training")
    own = {key: value for key, value in vars(part).items() if key not in other}
    tensors = {key: (id(value), value._version) for key, value in own.items() if isinstance(value, Tensor)}
    return {key: repr(value) if isinstance(value, PLAIN) else id(value) for key, value in own.items()} | tensors


def _place(attribute: str, part: str) -> str:
    return f"{attribute!r} of {part}" if part else repr(attribute)


def _latent(setup: Setup) -> str | None:
    with borrowed(0, setup.device):
        before = torch.get_rng_state()
        setup.latent(TRIED, torch.Generator(setup.device).manual_seed(0))
        drawn = not torch.equal(before, torch.get_rng_state())
    return "latent draws from torch's global generator" if drawn else None


def _output(result: Any, n: int, features: bool = False) -> Tensor:
    """The logits or samples, or the features in one where there are any."""
    if isinstance(result, Tensor):
        return result
    said = as_output(result, n)
    return torch.cat([each.flatten() for each in said.features.values()]) if features and said.features else said.scores


def _together(name: str, called: Sequence[Called], inputs: Batch) -> str | None:
    """Whether the stacked forward says of each member what its own forward says."""
    weights = stack_module_state([each.network for each in called])
    if not any(weights):  # the same for all
        return None

    def one(parameters: Any, buffers: Any) -> Tensor:
        tensors = {**parameters, **buffers}
        return _output(called[0].with_weights(tensors)(inputs), inputs.size)

    with torch.no_grad(), borrowed(0, inputs.x.device):
        try:
            alone = torch.stack([_output(each(inputs), inputs.size) for each in called])
        except Exception:  # told elsewhere
            return None
        try:
            found = vmap(one)(*weights)
            assert_close(found, alone, rtol=1e-3, atol=1e-4)
        except AssertionError:
            return f"{name} computes something else when it is stacked"
        except Exception as error:
            return f"{name} cannot be stacked ({first_line(error)})"
    return None


def uncompiled(setup: Setup) -> str | None:
    """Why a step that several processes divide cannot be compiled; None if it can."""
    ranks = setup.ranks
    if ranks.alone:
        return None
    if not ranks.even:
        return f"{ranks.world} processes do not divide the batch evenly"
    for part in (part for parts in parts_in(setup).values() for part in parts):
        if part.initial_state():
            return f"the state of {part.name} is that of all processes"
        if part.exchanges:
            return f"{part.name} asks the other processes inside of a step"
    return None
