"""The tree of settings, read from plain types, and one-line errors for keys and values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from reprlib import Repr
from typing import Any, NamedTuple, TypeVar

from ..errors import InputError, unknown
from ..plugins import ADVICE
from .block import Kinds, Parts, Slot, settings_of
from .values import ReadError, Text

B = TypeVar("B")


class Branch(NamedTuple):
    """What is allowed at a key: one of these classes, chosen by name if there are several kinds."""

    classes: tuple[Any, ...]
    kinds: Kinds | None = None

    @property
    def names(self) -> list[str]:
        """All keys that one of them has."""
        own = [] if self.kinds is None else ["name"]
        return list(dict.fromkeys([*own, *(name for each in self.classes for name in settings_of(each))]))

    def settings(self, key: str) -> list[Slot]:
        """What they have under `key`."""
        return [found[key] for found in map(settings_of, self.classes) if key in found]

    def below(self, key: str) -> Branch | None:
        """What may stand below `key`, nothing below a single value; None when none of them has that key."""
        found = self.settings(key)
        if not found:
            return Branch(()) if key in self.names else None
        blocks = {one.block: None for one in found if one.block is not None}
        kinds = next((block for block in blocks if isinstance(block, Kinds)), None)
        return Branch(tuple(blocks)) if kinds is None else Branch(kinds.classes, kinds)


def read_kind(kinds: Kinds, tree: Any, key: str) -> Any:
    """The settings of one of several kinds at `key`; raises InputError as `read` does."""
    return _block(kinds, tree, key, kinds.base)


def read(root: type[B], tree: Any) -> B:
    """Settings from plain types; raises InputError, one line, for the first error."""
    found: B = _block(root, tree, "", root)
    return found


def _block(block: Any, value: Any, key: str, root: type) -> Any:
    prefix = f"{key}." if key else ""
    branch = Branch(block.classes, block) if isinstance(block, Kinds) else Branch((block,))
    if not isinstance(value, Mapping):
        own = ", ".join(f"{prefix}{name}" for name in branch.names)
        raise InputError(f"{key}: expected settings of its own ({own}), got {shown(value)}")
    kind, tag, rest, found = block, None, dict(value), {}
    if branch.kinds is not None:
        if "name" not in rest:
            raise _missing(f"{prefix}name")
        typed = rest.pop("name")
        tag, kind = str(typed), branch.kinds.find(str(typed))
        if kind is None:
            raise InputError(f"{unknown(key, tag, branch.kinds.known)}{'' if isinstance(typed, Text) else ADVICE}")
        found = {"name": tag} if "name" in kind.__dataclass_fields__ else {}
    elif issubclass(kind, Parts):
        all(kind.kinds.find(name) for name in rest)  # an installed plugin may bring it
    for name, setting in settings_of(kind).items():
        if name in rest:
            found[name] = _value(setting, rest.pop(name), f"{prefix}{name}", root)
        elif setting.required:
            raise _missing(f"{prefix}{name}")
    for name in rest:
        raise _extra(name, root, kind, prefix, tag)
    return kind(**found)


def _value(setting: Slot, value: Any, key: str, root: type) -> Any:
    if setting.reader is None:
        return None if value is None and setting.optional else _block(setting.block, value, key, root)
    try:
        return setting.reader(value)
    except ReadError:
        raise InputError(f"{key}: {setting.reader.refusal(value, shown(value))}") from None


def leaves(branch: Branch, prefix: str = "") -> Iterator[str]:
    """The dotted keys of all single values."""
    for key in branch.names:
        inner = branch.below(key)
        if inner is not None and inner.classes:
            yield from leaves(inner, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def unknown_key(root: type, branch: Branch, prefix: str, key: str) -> InputError:
    """The error for an unknown key: suggests the nearest one, here or anywhere that a setting has that name."""
    first, *rest = key.split(".")
    here = {f"{prefix}{name}" for name in branch.names}
    if not here:
        return InputError(f"unknown setting {prefix + key!r}: {prefix.rstrip('.')} has no settings of its own")
    found = [] if rest else [leaf for leaf in dict.fromkeys(leaves(Branch((root,)))) if leaf.endswith(f".{first}")]
    found = [
        leaf for leaf in found if not leaf.startswith("fakes.")
    ] or found  # as those of the data, if they are there
    elsewhere = [leaf for leaf in found if not any(leaf.endswith(f".{other}") for other in found)]  # not of opponents
    if elsewhere and not get_close_matches(prefix + first, here, n=1, cutoff=0.8):
        more = " ..." if len(elsewhere) > 3 else ""
        return InputError(f"unknown setting {prefix + key!r}: did you mean {' or '.join(elsewhere[:3])}{more}?")
    return unknown("setting", prefix + first, here)


def _missing(key: str) -> InputError:
    return InputError(f"{key}: expected a value, got nothing: add {key}=...")


def _extra(name: str, root: type, kind: type, prefix: str, tag: str | None) -> InputError:
    if tag is not None:
        own = ", ".join(sorted(settings_of(kind))) or "no settings of its own"
        return InputError(f"unknown setting {prefix + name!r}: {prefix.rstrip('.')}={tag} has {own}")
    stored = issubclass(kind, Parts) and not isinstance(name, Text)
    return InputError(f"{unknown_key(root, Branch((kind,)), prefix, name)}{ADVICE if stored else ''}")


def shown(value: Any) -> str:
    """A value as the user gave it: text in quotes unless it is a number or a name such as none."""
    if value is None:
        return "none"
    if isinstance(value, Text):
        try:
            float(value)
        except ValueError:
            return repr(str(value))
        return str(value)
    return BRIEF.repr(value)


BRIEF = Repr()  # of what may be deep, or large
BRIEF.maxstring = BRIEF.maxother = 300
