"""The API reference: a page per room, with every public name, made from the docstrings when a build begins.

A docstring of this package is plain text: a sentence, formulas, `name: what it is` for parameters, keys of sources in
brackets. Here it becomes reStructuredText: parameters in a list of their own, formulas with their asterisks, code as
code, keys as links.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from functools import cache
from types import ModuleType
from typing import Any, ForwardRef

from _pages import DOCS, ROOT, entries, write

import steadygan
from steadygan.registry import Registry

API = DOCS / "api"
TOP = "what `import steadygan as sg` holds itself: training, measuring, watching, loading"


def public(module: ModuleType) -> list[str]:
    """`__all__`, or else what the module itself defines."""
    own = getattr(module, "__all__", None) or [
        name
        for name, thing in vars(module).items()
        if not name.startswith("_")
        and (isinstance(thing, Registry) or getattr(thing, "__module__", None) == module.__name__)
    ]
    return sorted(own, key=lambda name: (kind(getattr(module, name)), name.lower()))


def kind(thing: object) -> int:
    """The order in which a page has them: classes, functions, the rest."""
    return 0 if inspect.isclass(thing) else 1 if inspect.isroutine(thing) else 2


@cache
def keys() -> frozenset[str]:
    return frozenset(key for key, _ in entries((ROOT / "REFERENCES.bib").read_text(encoding="utf-8")))


# --- docstrings -------------------------------------------------------------------------------------------------------


def escaped(text: str) -> str:
    """Plain text as reStructuredText: `code` in double backticks, all else as it is, keys in brackets as links."""
    pieces = re.split(r"(`[^`]+`)", text)
    return "".join(rf"\ `{piece}`\ " if piece.startswith("`") else prose(piece) for piece in pieces)


def prose(text: str) -> str:
    text = re.sub(r"([\\*|])|_(?!\w)", lambda m: "\\" + m[0], text)

    def link(found: re.Match[str]) -> str:
        return re.sub(r"\w+", lambda w: f":ref:`{w[0]} <{w[0]}>`" if w[0] in keys() else w[0], found[0])

    return re.sub(r"\[[^\[\]]*\]", link, text)


def parameters(thing: object) -> list[str]:
    try:
        names = inspect.signature(thing).parameters if callable(thing) else {}
    except (ValueError, TypeError):
        names = {}
    fields = getattr(thing, "__dataclass_fields__", None) or getattr(thing, "_fields", ())
    return list(dict.fromkeys([*names, *fields]))


def pieces(text: str, names: list[str]) -> Iterator[tuple[str, str]]:
    """A paragraph in parts: ("", prose), (names, what is said of them), ("raises", errors)."""
    any_name = "|".join(map(re.escape, sorted(names, key=len, reverse=True))) or r"(?!)"
    start = rf"(?:^|(?<=[.;:)] ))((?:{any_name})(?:, (?:{any_name}))*)(?:: |(?= -> ))|(?:^|(?<=[.;] ))(Raises )"
    end, name = 0, ""
    for found in re.finditer(start, text):
        said = text[end : found.start()].strip()
        if said or name:
            yield name, said
        name, end = "raises" if found[2] else found[1], found.end()
    yield name, text[end:].strip()


def restructured(lines: list[str], names: list[str]) -> list[str]:
    """A docstring, with its parameters and errors as lists after its prose."""
    told, given, raised = [], [], []
    for paragraph in re.split(r"\n\s*\n", inspect.cleandoc("\n".join(lines))):
        for name, said in pieces(re.sub(r"\s*\n\s*", " ", paragraph), names):
            text = escaped(said.rstrip(";"))
            if name == "raises":
                error, _, when = text.partition(" ")
                raised.append(f"    - **{error}** {when}")
            elif name:
                given.append(f"    - **{escaped(name)}**: {text}")
            elif said:
                told += [text, ""]
    if given:
        told += [":Parameters:", *given, ""]
    if raised:
        told += [":Raises:", *raised, ""]
    return told


# --- signatures -------------------------------------------------------------------------------------------------------


class Verbatim:
    """An annotation or a default as it stands in the source."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def as_written(annotation: Any) -> Any:
    if annotation is inspect.Parameter.empty:
        return annotation
    found = annotation.__forward_arg__ if isinstance(annotation, ForwardRef) else annotation
    return Verbatim(found if isinstance(found, str) else inspect.formatannotation(found))


def default(value: Any) -> Any:
    named = re.match(r"<(?:function|class '|built-in function) ?([\w.]+)", repr(value))
    if value is inspect.Parameter.empty or not repr(value).startswith("<"):
        return value
    return Verbatim(named[1].rpartition(".")[2] if named else "...")


def signature(thing: Any) -> tuple[str, str] | None:
    """(parameters, what comes back) as the source has them, without `self`."""
    if getattr(thing, "_is_protocol", False):
        return "", ""
    try:
        found = inspect.signature(thing)
    except (ValueError, TypeError):
        return None
    own = [
        each.replace(annotation=as_written(each.annotation), default=default(each.default))
        for each in found.parameters.values()
        if each.name not in ("self", "cls")
    ]
    returned = found.return_annotation
    hidden = inspect.isclass(thing) or returned is inspect.Signature.empty
    return str(found.replace(parameters=own, return_annotation=found.empty)), "" if hidden else repr(
        as_written(returned)
    )


# --- pages ------------------------------------------------------------------------------------------------------------


def first_line(thing: object) -> str:
    return (inspect.getdoc(thing) or "").partition("\n\n")[0].replace("\n", " ")


def entry(module: str, name: str, thing: object) -> Iterator[str]:
    full = f"{module}.{name}"
    if inspect.isclass(thing):
        yield from (f".. autoclass:: {full}", "   :members:", "   :special-members: __call__", "")
    elif inspect.isroutine(thing):
        yield from (f".. autofunction:: {full}", "")
    else:
        yield from (f".. py:data:: {full}", "")
        yield from (f"   {line}" for line in listing(thing))


def listing(thing: object) -> Iterator[str]:
    """What a registry or a mapping holds, or what an alias stands for."""
    if isinstance(thing, Registry):
        yield f"The names of each {thing.kind} on the command line and in settings, and what they build."
        yield from ("", ".. list-table::", "   :widths: auto", "")
        for name in sorted(thing):
            yield from (f"   * - ``{name}``", f"     - {escaped(first_line(thing[name]))}")
    elif isinstance(thing, Mapping):
        yield from (f"A mapping of names: {', '.join(f'``{name}``' for name in sorted(thing))}.", "")
    elif isinstance(thing, str):
        yield from (f"``{thing!r}``", "")
    else:
        shown = re.sub(r"\b(?:typing|collections\.abc|torch|steadygan(?:\.\w+)*)\.(?=\w)", "", str(thing))
        yield from (f"Stands for ``{shown}``.", "")
    yield ""


def page(title: str, module: str, names: list[str], things: Mapping[str, object], about: str) -> str:
    lines = [title, "=" * len(title), "", *restructured(about.splitlines(), []), f".. py:module:: {module}", ""]
    for name in names:
        lines += [*entry(module, name, things[name])]
    return "\n".join(lines) + "\n"


def pages() -> dict[str, str]:
    """The pages by their names: the index, the names at the top, and each room."""
    things = {name: getattr(steadygan, name) for name in steadygan.__all__}
    rooms = {name: thing for name, thing in things.items() if isinstance(thing, ModuleType)}
    top = sorted(things.keys() - rooms.keys(), key=lambda name: (kind(things[name]), name.lower()))
    found = {"steadygan": page("steadygan", "steadygan", top, things, f"{TOP.capitalize()}.")}
    for room, module in rooms.items():
        inside = {name: getattr(module, name) for name in public(module)}
        found[room] = page(f"sg.{room}", module.__name__, [*inside], inside, inspect.getdoc(module) or "")
    return found


def setup(app) -> None:
    for name, text in pages().items():
        write(API / f"{name}.rst", text)

    def docstring(_: object, what: str, name: str, thing: object, options: object, lines: list[str]) -> None:
        lines[:] = restructured(lines, parameters(thing))

    def told(_: object, what: str, name: str, thing: object, *rest: object) -> tuple[str, str] | None:
        return signature(thing) if what in ("class", "function", "method") else None

    def skip(_: object, what: str, name: str, thing: object, skipped: bool, options: object) -> bool | None:
        return (
            True
            if type(thing).__name__ == "_tuplegetter" or (name == "__call__" and not inspect.getdoc(thing))
            else None
        )

    def index(_: object, docname: str, source: list[str]) -> None:
        rooms = [room for room in steadygan.__all__ if isinstance(getattr(steadygan, room), ModuleType)]
        about = {room: first_line(getattr(steadygan, room)).rstrip(".") for room in rooms}
        listed = [f"- [sg.{room}](api/{room}.rst): {about[room]}" for room in rooms]
        if docname == "api":
            source[0] += "\n".join(["", f"- [steadygan](api/steadygan.rst): {TOP}", *listed, ""])

    app.connect("source-read", index)
    app.connect("autodoc-process-docstring", docstring)
    app.connect("autodoc-process-signature", told)
    app.connect("autodoc-skip-member", skip)
