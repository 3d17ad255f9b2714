"""The networks that are trained, from a trainer's arguments: a generator, and one opponent or several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from ..data import Source
from ..data.fake_side import FakeSide, fake_side
from ..engine.executor import Eager
from ..errors import InputError
from ..losses import NonSaturating, Nothing
from ..methods import Plain, chain
from ..methods.chain import parts_of
from ..models.build import NoGenerator
from ..penalties import GradientPenalty
from ..types import Constraint, Critic, Loss, Method, Opponent, Part, Penalty
from ..types.networks import Gives, bare_network, compiled_part, opened
from .setup import Setup


def opponents_of(
    D: nn.Module | Mapping[str, Opponent],
    loss: Loss | None,
    penalties: Sequence[Penalty],
    method: Method | Sequence[Method] | None,
    constraint: Constraint | None,
    gives: Gives | None = None,
) -> dict[str, Opponent]:
    """One opponent named D, or those of the mapping; raises InputError where the arguments do not fit together."""
    if isinstance(D, Mapping):
        if not D or "G" in D:
            raise InputError(f"D must map one or more names other than 'G' to opponents, not {sorted(D)}")
        if loss is not None or penalties or method is not None or constraint is not None or gives is not None:
            raise InputError(
                "with a mapping of opponents, set loss, penalties, method, constraint and gives on each of them"
            )
        for name, opponent in D.items():
            if not isinstance(opponent, Opponent):
                raise InputError(f"D[{name!r}] must be a types.Opponent, not {type(opponent).__name__}")
        return {
            name: ready(replace(opponent, critic=module_of(opponent.critic, f"D[{name!r}].critic")))
            for name, opponent in D.items()
        }
    if isinstance(penalties, Penalty):
        raise InputError(f"penalties must be a list such as [penalties.r1(10)], not {penalties!r}: put it in brackets")
    if isinstance(method, Sequence) and not isinstance(method, str):
        for each in method:
            if not isinstance(each, Method):
                raise InputError(f"a method must be one such as methods.FakeAsReal(8), not {each!r}")
        method = chain(*method) if method else None
    method = method or Plain()
    whole = isinstance(method, Method) and method.replaces_loss  # what is no method is told by the opponent
    loss = loss or (Nothing() if whole else NonSaturating())
    return {"D": ready(Opponent(module_of(D, "D"), loss, tuple(penalties), method, constraint, gives=gives))}


def ready(opponent: Opponent) -> Opponent:
    """The opponent with a D that returns logits, prepared by its constraint, and a method bound to it."""
    if opponent.gives == "probability":
        opponent = replace(opponent, critic=opened(opponent.critic), gives=None)
    if opponent.constraint is not None:
        opponent.constraint.prepare(opponent.critic)
    return replace(opponent, method=opponent.method.on(opponent.critic))


def module_of(network: Any, name: str) -> nn.Module:
    """The module itself, uncompiled; raises InputError if it is not one, is scripted, or has nothing to train."""
    if not isinstance(network, nn.Module):
        raise InputError(f"{name} must be a torch.nn.Module, not {type(network).__name__}")
    if isinstance(network, torch.jit.ScriptModule):
        raise InputError(
            f"{name} must be a plain torch.nn.Module, not one of torch.jit: pass the module that was scripted"
        )
    bare: nn.Module = bare_network(network)
    if (part := compiled_part(bare)) is not None:
        raise InputError(
            f"{name} must not contain compiled parts such as {part}: pass it uncompiled; compile='on' compiles whole "
            "steps"
        )
    if not any(p.requires_grad for p in bare.parameters()):
        raise InputError(f"{name} has no parameter to train: unfreeze one, or pass another module")
    for p in bare.parameters():
        if p.is_inference() or p.is_meta:
            made = "torch.inference_mode()" if p.is_inference() else "torch.device('meta')"
            raise InputError(f"{name} was created under {made}, and cannot be trained: create it outside")
    return bare


def generating(G: Any, given: Any, latents: Sequence[str], source: Source) -> tuple[nn.Module, FakeSide | None]:
    """The generator, or a stand-in for it and the fixed fakes on which D is trained alone.

    latents: names of the latent arguments that were given, of which a generator needs one unless the data have
    conditions. Raises InputError where the arguments do not fit together.
    """
    if G is None and given is None:
        raise InputError("expected a generator, or fakes that D is trained on alone, got G=None: pass G or fakes=")
    if G is not None:
        if given is not None:
            raise InputError("expected G=None with fakes, which replace its samples, got both: leave one out")
        if len(latents) > 1 or (not latents and source.given is None):
            raise InputError("pass either latent_dim (normal z of that size) or latent (a function n, generator -> z)")
        return module_of(G, "G"), None
    if source.given is not None:
        raise InputError("expected data without conditions with fakes, which have none, got some: leave given out")
    if latents:
        raise InputError(f"expected no {latents[0]} with fakes, because nothing uses latents then: leave it out")
    return NoGenerator(), fake_side(given, source)


def notes_of(opponents: Mapping[str, Opponent], critics: Mapping[str, Critic], paired: bool) -> list[str]:
    """Notes on combinations that are allowed but compute something other than one may expect.

    paired: fakes are made for the conditions of the reals of their batch.
    """
    found = []
    for name, opponent in opponents.items():
        if opponent.method.paired and not paired:
            found.append(
                f"{name} compares fake i with real i ({opponent.method.name}), which do not belong together: the data "
                "have no conditions"
            )
        measured = [p.name for p in opponent.penalties if isinstance(p, GradientPenalty)]
        if measured and critics[name].couples_samples:
            found.append(
                f"{name} lets the samples of a batch depend on each other (batch norm or minibatch discrimination): "
                f"{' and '.join(measured)} take{'s' * (len(measured) == 1)} the gradient of the sum of a batch's "
                "logits in each sample"
            )
    return found


def parts_in(setup: Setup) -> dict[str, list[Part]]:
    """Every loss, penalty and method, by opponent; those of a chain one by one."""
    return {
        name: [opponent.loss, *parts_of(opponent.method), *opponent.penalties]
        for name, opponent in setup.opponents.items()
    }


def division(setup: Setup, executor: Eager) -> list[str]:
    """How processes divide the batch, and what is then computed among the samples of each; nothing for one alone."""
    ranks = setup.ranks
    if ranks.alone:
        return []
    sizes = [each.own(setup.sides.real) for each in ranks.each()]
    told = f"{sizes[0]} each" if ranks.even else ", ".join(map(str, sizes))
    found = [f"{ranks.world} processes divide the batch of {setup.sides.real}: {told}"]
    norms = [name for name, own in executor.networks.items() if any(isinstance(m, _BatchNorm) for m in own.modules())]
    if norms:
        found.append(f"batch norm in {' and '.join(norms)} is of each process's samples, its running averages of all")
    for name, parts in parts_in(setup).items():
        among = [part.name for part in parts if part.compares_samples]
        if executor.critics[name].couples_samples and name not in norms:
            among.append("D")
        if among:
            found.append(f"{' and '.join(among)} of {name}: only samples of the same process are compared")
    return found
