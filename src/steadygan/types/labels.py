"""How a network receives classes and conditions: through which parameter of its forward."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import InputError
from .batch import Batch, leaves, mapped

LABEL, GIVEN = "label", "given"
COMPILED = "_orig_mod"  # what torch.compile calls the network inside
WRAPPED = ("module", COMPILED)  # the same, and what DataParallel and DistributedDataParallel call it
PLAIN = re.compile(r"\b(bool|int|float|complex|str)\b")
FREE = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def label_parameter(model: Callable[..., Any]) -> str | None:
    """The parameter that takes the classes (n,) int64: `label` in any position, else the second positional one.

    A second parameter with a default other than None, or annotated as a plain value, is taken for a switch or a factor.
    None where there is no such parameter.
    """
    found = parameters_of(model)
    if LABEL in found:
        return LABEL
    positional = [p for p in found.values() if p.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
    if len(positional) < 2:
        return None
    second = positional[1]
    empty = second.default is inspect.Parameter.empty or second.default is None
    return second.name if empty and not PLAIN.search(str(second.annotation)) else None


def needs_label(model: Callable[..., Any]) -> bool:
    """Whether the model's forward cannot be called without classes."""
    name = label_parameter(model)
    return name is not None and parameters_of(model)[name].default is inspect.Parameter.empty


def told(model: Callable[..., Any], label: Tensor | None) -> dict[str, Tensor]:
    """The classes as keyword arguments of the model's forward; empty where there are none or it takes none."""
    name = None if label is None else label_parameter(model)
    return {} if name is None or label is None else {name: label}


def given_to(model: Callable[..., Any], given: Any) -> dict[str, Any]:
    """A sample's conditions as keyword arguments: `given`, the entries of a mapping by name, or the second parameter.

    Raises InputError where the forward has no parameter for them.
    """
    if given is None:
        return {}
    found = parameters_of(model)
    if GIVEN in found:
        return {GIVEN: given}
    free = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in found.values())
    if isinstance(given, Mapping):
        strange = [] if free else [key for key in given if key not in found]
        if not strange:
            return dict(given)
        raise InputError(
            f"expected a forward with {', '.join(strange)}, or with given, for the samples' conditions, got "
            f"({', '.join(found)}): add it, or set call= to a function that calls it"
        )
    positional = [p for p in found.values() if p.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
    if len(positional) < 2:
        raise InputError(
            f"expected a forward with a parameter for the samples' conditions, got ({', '.join(found)}): add one, "
            "such as given, or set call= to a function that calls it"
        )
    return {positional[1].name: given}


@dataclass(frozen=True, eq=False)
class Conditions:
    """What fakes are made for, by the number of a real sample: its class and its conditions.

    label (n,) int64, where there are classes. given: tensors (n, ...), nested in mappings and tuples, as they are kept;
    read: some rows of one of them as networks receive them, so that pixels are decoded only where they are used.
    """

    label: Tensor | None
    given: Any
    read: Callable[[Tensor], Tensor]

    @property
    def size(self) -> int:
        """How many there are."""
        return int(leaves(self.given)[0].shape[0])

    def at(self, rows: Tensor) -> tuple[Tensor | None, Any]:
        """Classes and conditions of these real samples, rows (k,) int64."""
        label = None if self.label is None else self.label[rows]
        return label, mapped(lambda leaf: self.read(leaf[rows.to(leaf.device)]), self.given)

    def made(self, G: Callable[..., Any], z: Tensor, rows: Tensor) -> Batch:
        """What G makes of latents z (k, dim) for these real samples, with their classes and conditions."""
        label, given = self.at(rows)
        return Batch(made_for(G, z, label, given), label, given)

    def drawn(self, n: int, generator: torch.Generator) -> Tensor:
        """Rows (n,) at random."""
        return torch.randint(self.size, (n,), generator=generator, device=generator.device)


def made_for(G: Callable[..., Any], z: Tensor, label: Tensor | None, given: Any) -> Tensor:
    """What G makes for conditions `given`, of z (n, dim), or of the conditions alone where dim is 0.

    Classes are passed to a parameter `label`. Conditions are passed as `given_to` says; where they are all that G
    receives, a single tensor is its first argument. Raises InputError where G has no parameter for them.
    """
    classes = {} if label is None or LABEL not in parameters_of(G) else {LABEL: label}
    if z[0].numel():
        return G(z, **given_to(G, given), **classes)  # type: ignore[no-any-return]
    if isinstance(given, Mapping):
        return G(**given_to(G, given), **classes)  # type: ignore[no-any-return]
    return G(given, **classes)  # type: ignore[no-any-return]


def parameters_of(model: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """The parameters of the model's forward, seen through wrappers that pass everything on; none for a built-in."""
    while (inner := wrapped_in(model)) is not None:
        model = inner
    return _parameters(model)


def _parameters(model: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(model.forward if isinstance(model, nn.Module) else model).parameters
    except (TypeError, ValueError):
        return {}


def wrapped_in(model: Any) -> nn.Module | None:
    """The network inside a wrapper: a module that passes everything on, and has it as `module`; None for no wrapper.

    Such are `DistributedDataParallel`, those of training frameworks, and, by another name, `torch.compile`'s.
    """
    if not isinstance(model, nn.Module):
        return None
    found = [inner for inner in (getattr(model, name, None) for name in WRAPPED) if isinstance(inner, nn.Module)]
    if not found or any(p.kind not in FREE for p in _parameters(model).values()):
        return None
    return next((inner for inner in found if _all_of(model, inner)), None)


def _all_of(model: nn.Module, inner: nn.Module) -> bool:
    """Whether a module has no weights besides those of the one inside."""
    return {id(weight) for weight in model.parameters()} == {id(weight) for weight in inner.parameters()}


def occurring(labels: Tensor) -> Tensor:
    """The classes among labels (n,), each once, in order."""
    return labels.unique()  # type: ignore[no-untyped-call, no-any-return]


def spans(labels: Tensor) -> str:
    """The classes that occur, such as `0 to 9` or `1, 3 to 5`."""
    runs: list[list[int]] = []
    for label in occurring(labels).tolist():
        if runs and label == runs[-1][-1] + 1:
            runs[-1] = [runs[-1][0], label]
        else:
            runs.append([label, label])
    told = [str(low) if low == high else f"{low} to {high}" for low, high in runs]
    return ", ".join(told if len(told) < 9 else [*told[:8], "..."])
