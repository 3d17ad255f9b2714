"""Several methods on one critic."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self, TypeVar

from torch import Tensor

from ..errors import InputError
from ..types import Batch, Critic, DBatch, Draw, Method, Now, Scored, Terms
from ..types.parts import Processes
from .plain import Plain

T = TypeVar("T")


@dataclass(frozen=True)
class Chain(Method):
    """Applies methods in order: every `present` first, then every `edit`, each on the result of the one before it.

    The edits' extra samples are counted in presented samples, so packing and fake-as-real can be combined in either
    order. Raises InputError for a method that occurs twice, and when two methods hold samples back.
    """

    methods: tuple[Method, ...]

    name = "chain"

    def __post_init__(self) -> None:
        for key in ("needs_real", "shares_batch", "replaces_loss", "single", "paired"):
            object.__setattr__(self, key, any(getattr(method, key) for method in self.methods))
        names = [method.name for method in self.methods]
        if len(set(names)) != len(names):
            raise InputError(f"each method may occur once in a chain, got {', '.join(names)}")
        paired = [method.name for method in self.methods if method.paired]
        changing = [method.name for method in self.methods if type(method).present is not Method.present]
        if paired and changing:
            got = f"{' and '.join(changing)}, which changes what D is shown: leave it out"
            raise InputError(f"{paired[0]}: expected samples as they are, got {got}")
        single = [method.name for method in self.methods if method.single]
        if len(single) > 1:
            got = f"{' and '.join(single)} on one critic: give each its own discriminator"
            raise InputError(f"expected one method that changes the critic, got {got}")

    @property
    def layers(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(layer for method in self.methods for layer in method.layers))

    def on(self, network: Any) -> Self:
        return replace(self, methods=tuple(method.on(network) for method in self.methods))

    def among(self, processes: Processes) -> Self:
        return replace(self, methods=tuple(method.among(processes) for method in self.methods))

    def _of_all(self, of: Callable[[Method], Mapping[str, T]]) -> dict[str, T]:
        """What each of them gives, under its name; what counts as part of the loss keeps its key."""
        return {_named(method.name, key): value for method in self.methods for key, value in of(method).items()}

    def initial_state(self) -> dict[str, Tensor]:
        return self._of_all(lambda method: method.initial_state())

    def noise(self, real: int, fake: int, shape: tuple[int, ...]) -> Mapping[str, Draw]:
        return self._of_all(lambda method: method.noise(real, fake, shape))

    def at(self, now: Now) -> Self:
        return replace(self, methods=tuple(method.at(_own(now, method.name)) for method in self.methods))

    def next_state(self, state: Mapping[str, Tensor], means: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return self._of_all(lambda method: method.next_state(_part(state, method.name), _part(means, method.name)))

    def carried(self, real: int, fake: int) -> dict[str, Tensor]:
        return self._of_all(lambda method: method.carried(real, fake))

    def carry(self, real: Scored, fake: Scored) -> dict[str, Tensor]:
        return self._of_all(lambda method: method.carry(real, fake))

    def draws_d(self, real: int, fake: int) -> tuple[int, int]:
        for method in reversed(self.methods):  # the last edit sees what the ones before it left
            real, fake = method.draws_d(real, fake)
        return real, fake

    def draws_g(self, real: int, fake: int) -> tuple[int, int]:
        for method in reversed(self.methods):
            real, fake = method.draws_g(real, fake)
        return real, fake

    def raw(self, count: int) -> int:
        for method in reversed(self.methods):
            count = method.raw(count)
        return count

    def present(self, batch: Batch) -> Batch:
        for method in self.methods:
            batch = method.present(batch)
        return batch

    def edit(self, real: Batch, fake: Batch, critic: Critic) -> DBatch:
        held = None
        for method in self.methods:
            real, fake, kept = method.edit(real, fake, critic)
            if held is not None and kept is not None:
                raise InputError("two methods of a chain hold back samples: give each its own discriminator")
            held = kept if held is None else held
        return DBatch(real, fake, held)

    def critic(self, critic: Critic, held: Batch | None) -> Critic:
        for method in self.methods:
            critic = method.critic(critic, held)
        return critic

    def d_terms(self, critic: Critic, real: Scored, fake: Scored) -> Terms:
        return self._of_all(lambda method: method.d_terms(critic, real, fake))

    def g_terms(self, critic: Critic, real: Scored | None, fake: Scored) -> Terms:
        return self._of_all(lambda method: method.g_terms(critic, real, fake))


def chain(*methods: Method) -> Method:
    """Combines methods into one; a single method is returned as it is."""
    return methods[0] if len(methods) == 1 else Chain(tuple(methods))


def parts_of(method: Method) -> tuple[Method, ...]:
    """The methods of a chain; any other method by itself."""
    return method.methods if isinstance(method, Chain) else (method,)


def added(method: Method, *more: Method) -> Method:
    """The method followed by those of `more` whose name it does not contain; a plain method is replaced."""
    parts = parts_of(method)
    there = {part.name for part in parts}
    new = [part for part in more if part.name not in there]
    return chain(*(part for part in parts if not isinstance(part, Plain)), *new) if new else method


def _named(method: str, key: str) -> str:
    return key if key.startswith("loss/") else f"{method}.{key}"


def _part(values: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    prefix = f"{name}."
    return {key.removeprefix(prefix): value for key, value in values.items() if key.startswith(prefix)}


def _own(now: Now, name: str) -> Now:
    return Now(now.iteration, _part(now.state, name), _part(now.noise, name))
