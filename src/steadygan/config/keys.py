"""The tree of settings seen from outside: which keys there are, and what was wrong with one, in one line."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import ValidationError

from ..errors import InputError, unknown
from .block import Block
from .values import ReadError, Text

Models = tuple[type[Block], ...]


def blocks(annotation: Any) -> Models:
    """The blocks that a field of this type may hold; none for a single value."""
    if isinstance(annotation, type):
        return (annotation,) if issubclass(annotation, Block) else ()
    if get_origin(annotation) in (Union, UnionType):
        return tuple(model for part in get_args(annotation) for model in blocks(part))
    if get_origin(annotation) is Annotated:
        return blocks(get_args(annotation)[0])
    return ()


def inside(models: Models, key: str) -> Models | None:
    """The blocks below `key`; None when no block of `models` has that field."""
    found = [model.model_fields[key].annotation for model in models if key in model.model_fields]
    return tuple(block for annotation in found for block in blocks(annotation)) if found else None


def optional(models: Models, key: str) -> bool:
    """Whether the field may be none."""
    return any(NoneType in get_args(m.model_fields[key].annotation) for m in models if key in m.model_fields)


def leaves(models: Models, prefix: str = "") -> Iterator[str]:
    """The dotted keys of all single values."""
    for model in models:
        for key, field in model.model_fields.items():
            below = blocks(field.annotation)
            if below:
                yield from leaves(below, f"{prefix}{key}.")
            else:
                yield f"{prefix}{key}"


def unknown_key(root: Models, models: Models, prefix: str, key: str) -> InputError:
    """The error for a key that no block has: offers the nearest one, here or wherever a setting of that name is."""
    first, *rest = key.split(".")
    here = {f"{prefix}{name}" for model in models for name in model.model_fields}
    if not here:
        return InputError(f"unknown setting {prefix + key!r}: {prefix.rstrip('.')} has no settings of its own")
    found = [] if rest else [leaf for leaf in dict.fromkeys(leaves(root)) if leaf.endswith(f".{first}")]
    elsewhere = [leaf for leaf in found if not any(leaf.endswith(f".{other}") for other in found)]  # not of opponents
    if elsewhere and not get_close_matches(prefix + first, here, n=1, cutoff=0.8):
        more = " ..." if len(elsewhere) > 3 else ""
        return InputError(f"unknown setting {prefix + key!r}: did you mean {' or '.join(elsewhere[:3])}{more}?")
    return unknown("setting", prefix + first, here)


def one_line(error: ValidationError, root: type[Block]) -> InputError:
    """The first thing that is wrong, as key, what was expected and what came."""
    first = error.errors(include_url=False)[0]
    context, kind = first.get("ctx", {}), first["type"]
    if isinstance(context.get("error"), InputError):
        return InputError(str(context["error"]))
    key, models, tag = _place(first["loc"], root)
    prefix = f"{key}." if key else ""
    if kind == "extra_forbidden":
        return _extra(str(first["loc"][-1]), root, models, prefix, tag)
    if kind == "missing":
        return InputError(f"{key}: expected a value, got nothing: add {key}=...")
    if kind == "union_tag_invalid":
        return unknown(key, str(context["tag"]), [name for model in models for name in _tags(model)])
    if kind == "union_tag_not_found":
        return InputError(f"{prefix}name: expected a value, got nothing: add {prefix}name=...")
    if kind in ("model_type", "model_attributes_type"):
        fields = dict.fromkeys(f"{prefix}{name}" for model in models for name in model.model_fields)
        return InputError(f"{key}: expected settings of its own ({', '.join(fields)}), got {shown(first['input'])}")
    cause = context.get("error")
    wanted = str(cause) if cause else " ".join(first["msg"].split())
    near = get_close_matches(str(first["input"]), cause.names, n=1, cutoff=0.5) if isinstance(cause, ReadError) else []
    hint = f": did you mean {near[0]!r}?" if near else ""
    return InputError(f"{key}: expected {wanted}, got {shown(first['input'])}{hint}")


def _place(loc: tuple[int | str, ...], root: type[Block]) -> tuple[str, Models, str | None]:
    """The dotted key of an error, the blocks there, and the name by which one of several kinds was chosen."""
    models: Models = (root,)
    path: list[str] = []
    tag: str | None = None
    for step in map(str, loc):
        below = inside(models, step)
        if below is not None:
            path.append(step)
            models, tag = below, None
        elif any(step in _tags(model) for model in models):
            models, tag = tuple(model for model in models if step in _tags(model)), step
    return ".".join(path), models, tag


def _extra(name: str, root: type[Block], models: Models, prefix: str, tag: str | None) -> InputError:
    if tag is None:
        return unknown_key((root,), models, prefix, name)
    own = ", ".join(sorted(models[0].model_fields.keys() - {"name"})) or "no settings of its own"
    return InputError(f"unknown setting {prefix + name!r}: {prefix.rstrip('.')}={tag} has {own}")


def _tags(model: type[Block]) -> tuple[str, ...]:
    field = model.model_fields.get("name")
    return () if field is None else tuple(str(tag) for tag in get_args(field.annotation))


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
    return repr(value)
