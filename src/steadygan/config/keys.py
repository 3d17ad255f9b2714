"""The tree of settings seen from outside: which keys there are, and what was wrong with one, in one line."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from ..errors import InputError, unknown
from .block import Block
from .values import Text

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
    here = {f"{prefix}{name}" for model in models for name in model.model_fields}
    if not here:
        return InputError(f"unknown setting {prefix + key!r}: {prefix.rstrip('.')} has no settings of its own")
    last = key.rpartition(".")[2]
    elsewhere = sorted({leaf for leaf in leaves(root) if leaf.rpartition(".")[2] == last})
    if elsewhere and not get_close_matches(prefix + key, here, n=1, cutoff=0.8):
        return InputError(f"unknown setting {prefix + key!r}: did you mean {' or '.join(map(repr, elsewhere))}?")
    return unknown("setting", prefix + key, here)


def one_line(error: ValidationError, root: type[Block]) -> InputError:
    """The first thing that is wrong, as key, what was expected and what came."""
    first = error.errors(include_url=False)[0]
    models: Models = (root,)
    path: list[str] = []
    for step in map(str, first["loc"]):
        below = inside(models, step)
        if below is not None:
            path.append(step)
            models = below
            continue
        tagged = tuple(model for model in models if step in _tags(model))
        if not tagged:
            break
        models = tagged
    return _worded(first, root, models, ".".join(path))


def _worded(first: ErrorDetails, root: type[Block], models: Models, key: str) -> InputError:
    context, kind, prefix = first.get("ctx", {}), first["type"], f"{key}." if key else ""
    cause = context.get("error")
    if isinstance(cause, InputError):
        return cause
    if kind == "extra_forbidden":
        name = str(first["loc"][-1])
        if len(models) == 1 and len(first["loc"]) > path_length(key) + 1:  # one of several kinds of the block
            has = ", ".join(sorted(models[0].model_fields.keys() - {"name"})) or "no settings of its own"
            return InputError(f"unknown setting {prefix + name!r}: {key}={first['loc'][-2]} has {has}")
        return unknown_key((root,), models, prefix, name)
    if kind == "missing":
        return InputError(f"{key}: expected a value, got nothing: add {key}=...")
    if kind == "union_tag_invalid":
        names = [name for model in models for name in _tags(model)]
        return unknown(key, str(context["tag"]), names)
    if kind == "union_tag_not_found":
        return InputError(f"{prefix}name: expected a value, got nothing: add {prefix}name=...")
    if kind == "literal_error":
        cause = Expected(f"one of {', '.join(_tags(models[0]))}" if models else "", _tags(models[0]))
    wanted = str(cause) if cause else " ".join(first["msg"].split())
    if kind in ("model_type", "model_attributes_type"):
        fields = ", ".join(dict.fromkeys(f"{prefix}{name}" for model in models for name in model.model_fields))
        wanted = f"settings of its own ({fields})"
    return InputError(f"{key}: expected {wanted}, got {shown(first['input'])}")


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
