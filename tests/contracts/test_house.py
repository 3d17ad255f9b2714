"""The shape of the house: imports point one way, rooms stay small, names say what is inside. Read, never run."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

import steadygan

PACKAGE = Path(steadygan.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))

# A room imports from rooms of a lower level only, whether at once, inside a function or for types.
LEVELS = (
    ("errors", "pixels", "processes", "quantities"),
    ("devices", "display", "files", "places", "plugins"),
    ("config", "types"),
    ("registry", "latents", "metrics", "viz"),
    ("data", "features", "losses", "models"),
    ("methods", "penalties"),
    ("engine", "runs"),
    ("diagnostics", "evaluation"),
    ("training",),
    ("callbacks",),
    ("recipes",),
    ("reporting",),
    ("figures",),
    ("theory",),
    ("commands",),
    ("cli",),
    ("__main__",),
)
LEVEL = {room: level for level, rooms in enumerate(LEVELS) for room in rooms}
UPWARD = {  # public names of old, found where they now are
    ("metrics", "evaluation.evaluator"),
    ("metrics", "evaluation.real_side"),
}
MOST_LINES, MOST_FILES, MOST_FLOORS, LEAST_LINES = 400, 14, 8, 60
MOST_LAZY = 27  # imports of ours inside functions, each for the speed of `--help` or an optional package
ALONE = {
    "figures.dual",
    "figures.sdp",
    "methods.fake_as_real",
    "methods.reconstruction",
}  # small and used by one, but looked for by their names
# Nouns that no name inside repeats: what their files hold is of this kind.
KINDS = {
    "cli", "files", "plugins", "config.optimisation", "config.parts", "config.values", "models.heads", "models.layers",
    "figures.dual", "figures.fargan", "figures.sdp", "figures.zero_gp",
    "recipes.papers.dual", "recipes.papers.fargan", "recipes.papers.points", "recipes.papers.sdp",
    "recipes.papers.stacked_mnist", "recipes.papers.zero_gp",
    "runs.checkpoint", "runs.writers", "data.build", "models.build", "recipes.build",
    "theory.dual", "theory.fargan", "theory.zero_gp",
}  # fmt: skip
# These take long, and are imported where they are used.
HEAVY = {
    "PIL", "safetensors", "matplotlib", "jinja2", "markupsafe", "plotly", "sklearn", "scipy", "tensorboard", "wandb",
    "torchvision", "torch_fidelity", "pandas", "ray", "huggingface_hub",
}  # fmt: skip
# Help and refused settings answer before torch is imported: these rooms and all that they import at module level.
TORCH_FREE = (
    "__main__", "cli", "config", "commands", "commands.train", "commands.sample", "commands.compare",
    "commands.diagnose", "commands.doctor", "commands.evaluate", "commands.job", "commands.sweep",
    "display.card", "display.sentence", "display.watch", "files", "places", "plugins",
    "quantities", "recipes", "recipes.bases", "reporting", "reporting.server", "runs.folder", "runs.history",
    "runs.records", "runs.settings", "runs.shipped", "theory", "commands.theory",
)  # fmt: skip


class Import(NamedTuple):
    source: str  # dotted, without the package: engine.draws, methods; "" is the package itself
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


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


def lines(module: str) -> int:
    return len(MODULES[module].read_text(encoding="utf-8").splitlines())


def room(module: str) -> str:
    return module.split(".")[0]


def imports_of(source: str) -> Iterator[Import]:
    path = MODULES[source]
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
        inner = ".".join([*stem[1:], *name])  # `from ..runs import run` names a module, `.run import Run` does not
        return Import(source, inner if inner in MODULES else ".".join(stem[1:]), True, lazy, typing)

    yield from visit(tree(source), False, False)


@cache
def imports() -> tuple[Import, ...]:
    return tuple(found for module in MODULES if module for found in imports_of(module))  # the package loads by name


def edges(within: str = "") -> dict[str, set[str]]:
    """Who imports whom, of all imports; a package is not its modules' business."""
    found: dict[str, set[str]] = defaultdict(set)
    for i in imports():
        inside = i.source.startswith(f"{within}.") and i.target.startswith(f"{within}.") if within else bool(i.target)
        if i.ours and inside and i.source != i.target and not i.source.startswith(f"{i.target}."):
            found[i.source].add(i.target)
    return found


def circles() -> list[list[str]]:
    """Groups of modules that all reach each other (Tarjan)."""
    graph, number, low, stack, found = edges(), {}, {}, [], []

    def visit(here: str) -> None:
        number[here] = low[here] = len(number)
        stack.append(here)
        for there in graph.get(here, ()):
            if there not in number:
                visit(there)
            if there in stack:
                low[here] = min(low[here], low[there])
        if low[here] == number[here]:
            group = stack[stack.index(here) :]
            del stack[stack.index(here) :]
            if len(group) > 1:
                found.append(group)

    for module in MODULES:
        if module not in number:
            visit(module)
    return found


def folders() -> Mapping[str, list[Path]]:
    found: dict[str, list[Path]] = defaultdict(list)
    for path in FILES:
        found[path.parent.relative_to(PACKAGE).as_posix()].append(path)
    return found


def floors(folder: str) -> int:
    """The longest way through a folder's own imports, in modules."""
    graph = edges(folder.replace("/", "."))

    @cache
    def height(module: str) -> int:
        return 1 + max((height(below) for below in graph.get(module, ())), default=0)

    return max(map(height, graph), default=1)


def classes() -> Mapping[str, list[str]]:
    """Public class names, each with the modules that define it."""
    found: dict[str, list[str]] = defaultdict(list)
    for module in MODULES:
        for node in tree(module).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found[node.name].append(module)
    return found


def defined(module: str) -> set[str]:
    """The names that a module defines at its top, and what it enrols in a registry."""
    names: set[str] = set()
    for node in tree(module).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return names


def importers() -> Mapping[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for i in imports_of("") if "" in MODULES else ():
        found[i.target].add("")
    for i in imports():
        if i.ours and i.source != i.target:
            found[i.target].add(i.source)
    return found


def lone_and_small() -> list[str]:
    """Modules below 60 lines that one other module uses: they belong into it."""
    users = importers()
    return [
        module
        for module, path in MODULES.items()
        if path.name != "__init__.py" and lines(module) < LEAST_LINES and len(users[module]) == 1
    ]


def test_the_walk_sees_what_there_is() -> None:
    """Relative, absolute, lazy and typing-only imports are all found."""
    found = {(i.source, i.target): i for i in imports()}
    assert found["penalties.gradient", "registry"].at_import_time
    assert found["types.critic", "torch"].at_import_time
    assert found["runs.history", "runs.checkpoint"].lazy
    assert found["methods.chain", "types"].ours
    assert sum(room(i.source) != room(i.target) for i in imports() if i.ours) > 50


def test_every_room_has_its_place() -> None:
    assert {room(module) for module in MODULES} - {""} <= LEVEL.keys(), "a new room: give it a level"


def test_imports_point_one_way() -> None:
    wrong = [
        str(i)
        for i in imports()
        if i.ours
        and i.target
        and room(i.source) != room(i.target)
        and LEVEL[room(i.target)] >= LEVEL[room(i.source)]
        and not (not i.at_import_time and (i.source, i.target) in UPWARD)
    ]
    assert not wrong


def test_what_is_allowed_upward_is_still_needed() -> None:
    assert {(i.source, i.target) for i in imports() if i.lazy} >= UPWARD


def test_no_module_waits_for_itself() -> None:
    """No circle, imports inside functions and for type checkers counted."""
    assert circles() == []


def test_few_imports_wait_inside_functions() -> None:
    assert len([i for i in imports() if i.ours and i.lazy]) <= MOST_LAZY


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


@pytest.mark.parametrize("module", TORCH_FREE)
def test_torch_waits(module: str) -> None:
    assert module in MODULES
    loaded = loaded_with(module)
    wrong = [str(i) for i in imports() if i.source in loaded and i.at_import_time and room(i.target) == "torch"]
    assert not wrong


def test_a_class_name_means_one_thing() -> None:
    assert {name: places for name, places in classes().items() if len(places) > 1} == {}


def test_folders_stay_small() -> None:
    assert {folder: len(paths) for folder, paths in folders().items() if len(paths) > MOST_FILES} == {}
    assert {folder: floors(folder) for folder in folders() if folder != "." and floors(folder) > MOST_FLOORS} == {}


def test_a_small_file_with_one_user_is_in_it() -> None:
    assert set(lone_and_small()) <= ALONE


def test_a_module_bears_the_noun_of_what_it_defines() -> None:
    """Its name, or the singular of it, occurs in a name inside, unless it is a noun for a kind of things."""

    def told(module: str) -> bool:
        stem = MODULES[module].stem.replace("_", "").removesuffix("s")
        return any(stem in name.replace("_", "").lower() for name in defined(module))

    unnamed = {m for m, path in MODULES.items() if not path.stem.startswith("__") and not told(m)}
    assert unnamed <= KINDS


def test_a_file_holds_one_concept() -> None:
    for module, path in MODULES.items():
        assert lines(module) <= MOST_LINES, path
        assert path.stem not in {"utils", "util", "helpers", "misc", "common"}


def test_files_are_two_levels_down_at_most() -> None:
    assert max(len(path.relative_to(PACKAGE).parts) for path in FILES) <= 3


def test_a_file_says_what_it_is() -> None:
    """A first line of prose, and nothing left for later."""
    for module, path in MODULES.items():
        assert (ast.get_docstring(tree(module)) or "").strip(), path
        assert not re.search(r"\b(TODO|FIXME|XXX|HACK)\b", path.read_text(encoding="utf-8")), path
