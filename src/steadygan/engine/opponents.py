"""What a user gives as discriminators, checked and brought into one form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import nn

from ..errors import InputError, check_whole
from ..losses import NonSaturating, Nothing
from ..methods import Plain, chain
from ..penalties import GradientPenalty
from ..types import Constraint, Critic, Loss, Method, Opponent, Penalty


def opponents_of(
    D: nn.Module | Mapping[str, Opponent],
    loss: Loss | None,
    penalties: Sequence[Penalty],
    method: Method | Sequence[Method] | None,
    constraint: Constraint | None,
) -> dict[str, Opponent]:
    """One opponent named D, or those of the mapping; raises InputError where the arguments do not fit together."""
    if isinstance(D, Mapping):
        if not D or "G" in D:
            raise InputError(f"D must map one or more names other than 'G' to opponents, not {sorted(D)}")
        if loss is not None or penalties or method is not None or constraint is not None:
            raise InputError(
                "with a mapping of opponents, loss, penalties, method and constraint belong to each of them"
            )
        for name, opponent in D.items():
            if not isinstance(opponent, Opponent):
                raise InputError(f"D[{name!r}] must be a types.Opponent, not {type(opponent).__name__}")
            module_of(opponent.critic, f"D[{name!r}].critic")
        return {name: ready(opponent) for name, opponent in D.items()}
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
    return {"D": ready(Opponent(module_of(D, "D"), loss, tuple(penalties), method, constraint))}


def ready(opponent: Opponent) -> Opponent:
    """The opponent whose method knows its D, and whose D is as its constraint wants it."""
    if opponent.constraint is not None:
        opponent.constraint.prepare(opponent.critic)
    return replace(opponent, method=opponent.method.on(opponent.critic))


def module_of(network: Any, name: str) -> nn.Module:
    """The module itself; raises InputError when it is none, or has nothing to train."""
    if not isinstance(network, nn.Module):
        raise InputError(f"{name} must be a torch.nn.Module, not {type(network).__name__}")
    if not any(p.requires_grad for p in network.parameters()):
        raise InputError(f"{name} has no parameter to train: unfreeze one, or give another module")
    return network


def positive(**values: int) -> None:
    """Raises InputError for a count that is not a whole number of 1 or more."""
    for name, value in values.items():
        check_whole(name, value, 1)


def equilibrium_of(opponents: Mapping[str, Opponent]) -> tuple[float | None, float | None]:
    """The weighted sum of the losses' equilibria; None where one of them is free."""
    sums: list[float | None] = []
    for player in (0, 1):
        values = [(o.weight, o.loss.equilibrium[player]) for o in opponents.values()]
        known = [weight * value for weight, value in values if value is not None]
        sums.append(sum(known) if len(known) == len(values) else None)
    return sums[0], sums[1]


def notes_of(opponents: Mapping[str, Opponent], critics: Mapping[str, Critic]) -> list[str]:
    """What is worth saying of a combination that is allowed, but computes something else than one may think."""
    found = []
    for name, opponent in opponents.items():
        measured = [p.name for p in opponent.penalties if isinstance(p, GradientPenalty)]
        if measured and critics[name].couples_samples:
            found.append(
                f"{name} lets the samples of a batch depend on each other (batch norm or minibatch discrimination): "
                f"{' and '.join(measured)} take{'s' * (len(measured) == 1)} the gradient of the sum of a batch's "
                "logits in each sample"
            )
    return found
