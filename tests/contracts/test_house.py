"""The shape of the house: imports point one way, heavy ones wait, files stay small. Read from the source, never run."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

import steadygan

PACKAGE = Path(steadygan.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))

# types <- losses, penalties, models, data <- methods <- engine <- recipes <- cli: a room imports from its own level
# and from those below it.
LEVEL = {
    "errors": 0, "quantities": 0, "registry": 0, "rng": 0, "thresholds": 0, "comparison": 0,
    "config": 0, "places": 0, "plugins": 0,
    "types": 1, "critics": 1, "pixels": 1, "taps": 1,
    "losses": 2, "penalties": 2, "models": 2, "data": 2,
    "methods": 3,
    "engine": 4, "callbacks": 4,
    "evaluation": 4, "recipes": 5, "reporting": 5,
    "commands": 6, "cli": 6, "__main__": 6,
}  # fmt: skip
# Beside the line: these know what is below data and each other; the engine and what is above it know them.
ASIDE = {"features", "metrics", "diagnostics", "viz"}
ASIDE_KNOWS = 1
KNOW_ASIDE = 4
# Imports inside a function that point up: a run that came from a recipe is rebuilt by the recipe.
UPWARD = {
    ("engine.run", "recipes.build"),
    ("metrics", "evaluation.evaluator"),  # its public names of old
    ("metrics", "evaluation.real_side"),
    ("evaluation.reals", "recipes.build"),
}
# Verbs, which may use what the rest of their room may not: a whole run, the data behind it.
VERBS = {"diagnostics.diagnosis": 5, "evaluation.evaluation": 5, "evaluation.fakes": 5}
# These take long, and are imported where they are used.
HEAVY = {
    "PIL",
    "safetensors",
    "matplotlib",
    "jinja2",
    "markupsafe",
    "plotly",
    "sklearn",
    "scipy",
    "tensorboard",
    "wandb",
    "torchvision",
    "torch_fidelity",
    "pandas",
}
# Help and refused settings answer before torch is imported: these rooms and all that they import at module level.
TORCH_FREE = (
    "__main__",
    "cli",
    "config",
    "commands",
    "commands.train",
    "commands.sample",
    "commands.compare",
    "commands.diagnose",
    "commands.doctor",
    "commands.evaluate",
    "commands.job",
    "places",
    "recipes",
    "recipes.images",
    "recipes.synthetic",
    "reporting",
    "reporting.history",
    "reporting.server",
    "quantities",
)


class Import(NamedTuple):
    source: str  # dotted, without the package: engine.loop, methods; "" is the package itself
    target: str  # the same for our own modules, else the full name of somebody else's
    ours: bool
    lazy: bool  # inside a function
    typing: bool  # under `if TYPE_CHECKING:`

    @property
    def at_import_time(self) -> bool:
        return not (self.lazy or self.typing)

    def __str__(self) -> str:
        return f"{self.source} imports {self.target}"


def dotted(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {dotted(path): path for path in FILES}


def room(module: str) -> str:
    return module.split(".")[0]


def level(module: str) -> int | None:
    """None: aside."""
    return VERBS[module] if module in VERBS else LEVEL.get(room(module))


def imports_of(path: Path) -> Iterator[Import]:
    source = dotted(path)
    package = source.split(".") if path.name == "__init__.py" else source.split(".")[:-1]
    package = [part for part in package if part]

    def visit(node: ast.AST, lazy: bool, typing: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                for alias in child.names:
                    yield resolved(alias.name.split("."), [], lazy, typing)
            elif isinstance(child, ast.ImportFrom):
                stem = child.module.split(".") if child.module else []
                if child.level:
                    stem = ["steadygan", *package[: len(package) - child.level + 1], *stem]
                for alias in child.names:
                    yield resolved(stem, [alias.name], lazy, typing)
            is_function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            for_types = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
            yield from visit(child, lazy or is_function, typing or for_types)

    def resolved(stem: list[str], name: list[str], lazy: bool, typing: bool) -> Import:
        if stem[0] != "steadygan":
            return Import(source, ".".join(stem), False, lazy, typing)
        inner = ".".join([*stem[1:], *name])  # `from ..engine import run` names a module, `.run import Run` does not
        return Import(source, inner if inner in MODULES else ".".join(stem[1:]), True, lazy, typing)

    yield from visit(ast.parse(path.read_text(encoding="utf-8")), False, False)


@cache
def imports() -> tuple[Import, ...]:
    return tuple(found for path in FILES for found in imports_of(path) if dotted(path))  # the package loads by name


def between_rooms() -> list[Import]:
    return [i for i in imports() if i.ours and i.target and room(i.source) != room(i.target)]


def test_the_walk_sees_what_there_is() -> None:
    """Relative, absolute, lazy and typing-only imports are all found."""
    found = {(i.source, i.target): i for i in imports()}
    assert found["penalties.gradient", "registry"].at_import_time
    assert found["recipes.build", "models.build"].ours
    assert found["critics", "torch"].at_import_time
    assert found["methods.chain", "types"].ours
    assert len(between_rooms()) > 50


def test_every_room_has_its_place() -> None:
    rooms = {room(module) for module in MODULES} - {""}
    assert rooms <= LEVEL.keys() | ASIDE, "a new room: give it a level"


def test_imports_point_one_way() -> None:
    wrong = []
    for i in between_rooms():
        here, there = level(i.source), level(i.target)
        if here is None:
            allowed = there is None or there <= ASIDE_KNOWS
        elif there is None:
            allowed = here >= KNOW_ASIDE
        else:
            allowed = there <= here
        if not allowed and not (not i.at_import_time and (i.source, i.target) in UPWARD):
            wrong.append(str(i))
    assert not wrong


def test_what_is_allowed_upward_is_still_needed() -> None:
    assert {(i.source, i.target) for i in imports() if i.lazy} >= UPWARD


def test_no_module_waits_for_itself() -> None:
    """No circle of imports at import time."""
    edges: dict[str, set[str]] = {}
    for i in imports():
        if i.ours and i.target and i.at_import_time and not i.source.startswith(f"{i.target}."):
            edges.setdefault(i.source, set()).add(i.target)
    finished: set[str] = set()

    def walk(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " > ".join((*path[path.index(module) :], module))
        if module not in finished:
            for target in edges.get(module, ()):
                walk(target, (*path, module))
            finished.add(module)

    for module in list(edges):
        walk(module, ())


def test_heavy_imports_wait() -> None:
    at_once = {"torch.utils.tensorboard"}
    wrong = [str(i) for i in imports() if i.at_import_time and (room(i.target) in HEAVY or i.target in at_once)]
    assert not wrong


def loaded_with(module: str) -> set[str]:
    """The modules of ours that importing one runs: itself, its packages, and what they import at import time."""
    pending, found = {module}, set()
    while pending:
        here = pending.pop()
        if here and here in MODULES and here not in found:
            found.add(here)
            pending.add(here.rpartition(".")[0])
            pending |= {i.target for i in imports() if i.source == here and i.ours and i.at_import_time}
    return found


@pytest.mark.parametrize("module", [module for module in TORCH_FREE if module in MODULES])
def test_torch_waits(module: str) -> None:
    loaded = loaded_with(module)
    wrong = [str(i) for i in imports() if i.source in loaded and i.at_import_time and room(i.target) == "torch"]
    assert not wrong


def test_a_file_holds_one_concept() -> None:
    for path in FILES:
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 400, path
        assert path.stem not in {"utils", "util", "helpers", "misc", "common"}


def test_files_are_two_levels_down_at_most() -> None:
    assert max(len(path.relative_to(PACKAGE).parts) for path in FILES) <= 3


def test_a_file_says_what_it_is() -> None:
    """A first line of prose, and nothing left for later."""
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        assert (ast.get_docstring(ast.parse(text)) or "").strip(), path
        assert not re.search(r"\b(TODO|FIXME|XXX|HACK)\b", text), path
