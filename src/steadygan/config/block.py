"""Blocks of settings, the kinds from which a name chooses, their context, and single settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, field, fields, is_dataclass, make_dataclass
from functools import cache, wraps
from inspect import Parameter, formatannotation, signature
from typing import Any, ClassVar, Concatenate, NamedTuple, TypeVar, get_type_hints

from ..errors import InputError, unknown
from ..plugins import load_installed
from .values import Reader, Text, reader_of

GIVEN = ("latent_dim", "shape", "classes", "progress")  # to a network or data set by the run, not by its settings
PLAIN = "plain"  # the method that is no method

S = TypeVar("S")
R = TypeVar("R")


class Block:
    """A group of settings: a frozen dataclass whose annotations define its allowed values, checked on creation.

    A part of the package inherits its settings from such a class, and is checked in the same way.
    """

    name: str = ""
    key: ClassVar[str] = ""  # where it stands among a run's settings, if it always stands there
    named_at: ClassVar[int] = 0  # the place of its name among its settings, where it is chosen by name
    rivals: ClassVar[tuple[str, ...]] = ()  # setting one of these on the command line sets the others to none

    def __post_init__(self) -> None:
        check(self)


def check(made: Any) -> None:
    """Raises InputError for the first field of a dataclass whose value its annotation does not allow."""
    kind = type(made)
    if kind not in READERS:
        READERS[kind] = tuple((name, one.reader) for name, one in settings_of(kind).items() if one.reader is not None)
    for name, reader in READERS[kind]:
        value = getattr(made, name)
        if not reader.takes(value):
            where = getattr(made, "key", "") or made.name
            raise InputError(f"{f'{where}.' if where else ''}{name}: {reader.refusal(value, repr(value))}")


READERS: dict[type, tuple[tuple[str, Reader], ...]] = {}


class Kinds:
    """The settings classes of one kind of thing, by the name that a user types; a registry adds those of plugins."""

    def __init__(self, kind: str, known: Mapping[str, type], base: type[Block] = Block) -> None:
        self.kind, self.base = kind, base
        self.known: dict[str, Any] = dict(known)

    def find(self, name: str) -> Any:
        """The settings class of that name, None if there is none; installed plugins are searched first."""
        if name not in self.known:
            load_installed()
        entry = self.known.get(name)
        if entry is not None and not is_dataclass(entry):
            entry = self.known[name] = settings_class(self.kind, name, entry, self.base)
        return entry

    @property
    def classes(self) -> tuple[Any, ...]:
        """All of them, each once."""
        return tuple(dict.fromkeys(self.find(name) for name in self.known))


def settings_class(kind: str, name: str, entry: Callable[..., Any], base: type[Block]) -> type:
    """The settings of a registered function: its parameters of plain types, with their defaults."""
    try:
        parameters = signature(entry, eval_str=True).parameters
    except NameError as error:
        raise InputError(
            f"{kind} {name}: expected annotations that can be resolved, got {error}: import the name"
        ) from None
    found = []
    for one in parameters.values():
        if one.name in GIVEN or one.kind in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD):
            continue
        annotation = type(one.default) if one.annotation is Parameter.empty else one.annotation
        if reader_of(annotation) is None:
            raise InputError(
                f"{kind} {name}: expected a number, bool, str, Literal or tuple of them as the type of {one.name}, got "
                f"{formatannotation(annotation)}: change it, or leave the parameter out"
            )
        default = MISSING if one.default is Parameter.empty else one.default
        found.append((one.name, annotation, field(default=default, kw_only=True)))
    about = {"name": name, "conditional": "classes" in parameters}
    return make_dataclass(f"{name}Settings", found, bases=(base,), namespace=about, frozen=True)


class Parts(dict[str, Any]):
    """The parts that are present, by name; they act in the order in which their kinds are registered."""

    kinds: ClassVar[Kinds]
    lone: ClassVar[bool] = False  # one of them at most

    def __init__(self, **parts: Any) -> None:
        for name in parts:
            if self.kinds.find(name) is None:
                raise unknown(self.kinds.kind, name, self.names())
        super().__init__({name: parts[name] for name in self.names() if parts.get(name) is not None})
        if self.lone and len(self) > 1:
            raise InputError(f"{self.kinds.kind}: expected one at most, got {' and '.join(self)}: drop one of them")

    @classmethod
    def names(cls) -> list[str]:
        """The names of all that may be there."""
        return [*cls.kinds.known]

    @classmethod
    def expand(cls, value: Text) -> dict[str, Any]:
        """`penalty=r1,r2` means exactly these two, with their defaults; `plain` means no part at all.

        Raises InputError for a list with nothing between two commas, and for one that names a part twice.
        """
        names = [name.strip() for name in value.split(",")]
        if "" in names or len({*names}) < len(names):
            wanted = f"{cls.kinds.kind}: expected names separated by commas, each once, or none"
            raise InputError(f"{wanted}, got {str(value)!r}: for example {next(iter(cls.kinds.known))}")
        return {Text(name): {} for name in names if name != PLAIN}


class JudgeSettings(NamedTuple):
    """All settings of one discriminator."""

    discriminator: Block
    loss: Block
    penalty: Parts
    method: Parts
    constraint: Parts
    weight: float = 1.0

    def overlaid(self, own: Any) -> JudgeSettings:
        """These settings where `own`, of one of several opponents, has none."""
        theirs = {key: getattr(own, key) for key in self._fields}
        return self._replace(**{key: value for key, value in theirs.items() if value is not None})


class Context(NamedTuple):
    """What a part's settings may depend on; settings that do have a function `fits`, which raises InputError."""

    where: str  # what stands before their keys
    judge: JudgeSettings
    generator: Block | None
    batch_size: int
    conditional: bool  # networks are told classes
    image: bool | None  # whether data are images; None where that is not known yet
    alone: bool  # whether it is the only discriminator

    def check(self) -> None:
        """Raises InputError for settings of one discriminator that do not go together."""
        judge = self.judge
        parts = [*judge.method.values(), judge.discriminator, judge.loss, *judge.penalty.values()]
        for part in [*parts, *judge.constraint.values()]:
            fits = getattr(part, "fits", None)
            if fits is not None:
                fits(self)


class Slot(NamedTuple):
    """A setting's place: how a single value is read, or the block, or kinds of blocks, below it."""

    reader: Reader | None = None
    block: Any = None
    optional: bool = False
    required: bool = False


def settings_of(kind: Any) -> Mapping[str, Slot]:
    """The settings of a block, in order; for `Parts`, the parts known so far."""
    if issubclass(kind, Parts):
        return {name: Slot(block=kind.kinds.find(name), optional=True) for name in kind.names()}
    return _settings_of(kind)


@cache
def _settings_of(kind: type) -> Mapping[str, Slot]:
    try:
        hints, found = get_type_hints(kind, include_extras=True), {}
    except NameError as error:
        raise InputError(
            f"{kind.__name__}: expected annotations that can be resolved, got {error}: import the name"
        ) from None
    for one in fields(kind):
        annotation = hints[one.name]
        if not one.repr or (one.name == "name" and annotation is str):  # put in by a step, or by a registry
            continue
        types = [each for each in getattr(annotation, "__args__", (annotation,)) if each is not type(None)]
        told = [*getattr(annotation, "__metadata__", ()), *getattr(types[0], "__metadata__", ())]
        block: Any = next((each for each in told if isinstance(each, Kinds)), None)
        if block is None and isinstance(types[0], type) and issubclass(types[0], Block | Parts):
            block = types[0]
        reader = None if block else reader_of(annotation)
        if block or reader:
            required = one.default is MISSING and one.default_factory is MISSING
            optional = type(None) in getattr(annotation, "__args__", ())
            found[one.name] = Slot(reader, block, optional, required)
    return found


def plain(block: Any) -> dict[str, Any]:
    """Settings as JSON's types, nested as the command line names them."""
    if isinstance(block, Parts):
        return {name: plain(part) for name, part in block.items()}
    found = {}
    for name, one in settings_of(type(block)).items():
        value = getattr(block, name)
        if one.block is None or value is None:
            found[name] = list(value) if isinstance(value, tuple) else value
            continue
        told = [*plain(value).items()]
        if isinstance(one.block, Kinds):
            told.insert(getattr(value, "named_at", 0), ("name", value.name))
        found[name] = dict(told)
    return found


def values(block: Any) -> dict[str, Any]:
    """The single settings of a block by name, as a part takes them."""
    return {name: getattr(block, name) for name in settings_of(type(block))}


def taking(kind: Callable[..., S], **defaults: Any) -> Callable[[Callable[Concatenate[S, ...], R]], Callable[..., R]]:
    """Decorator for a function whose first parameter is a block of this kind: it is called with its values instead.

    They follow the function's own parameters, are checked as the block is, and have the block's defaults, or those
    given here.
    """
    theirs = [one.replace(default=defaults.get(one.name, one.default)) for one in signature(kind).parameters.values()]
    named = bool(getattr(kind, "name", ""))

    def decorate(function: Callable[Concatenate[S, ...], R]) -> Callable[..., R]:
        found = signature(function)
        whole = found.replace(parameters=[*[*found.parameters.values()][1:], *theirs])

        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> R:
            given = whole.bind(*args, **kwargs)
            given.apply_defaults()
            own = {one.name: given.arguments.pop(one.name) for one in theirs}
            try:
                block = kind(**own)
            except InputError as error:
                raise InputError(f"{error}" if named else f"{function.__name__}.{error}") from None
            return function(block, **given.arguments)

        call.__signature__ = whole  # type: ignore[attr-defined]
        return call

    return decorate
