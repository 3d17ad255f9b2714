"""Every registered entry says what it is and where it comes from; every key in [brackets] resolves."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import steadygan
from steadygan.losses import LOSSES
from steadygan.methods import METHODS
from steadygan.models import DISCRIMINATORS, GENERATORS
from steadygan.penalties import CONSTRAINTS, PENALTIES

ROOT = Path(__file__).parents[2]
PACKAGE = Path(steadygan.__file__).parent
SOURCES = sorted(PACKAGE.rglob("*.py"))
BRACKETS = re.compile(r"\[([^\[\]]*)\]")
KEY = re.compile(r"\b(?:[a-z]+(?:19|20)\d\d[a-z]?|zhangsdp)\b")  # one text names no year
ENTRIES = {
    f"{registry.kind} {name}": entry
    for registry in (LOSSES, PENALTIES, METHODS, GENERATORS, DISCRIMINATORS, CONSTRAINTS)
    for name, entry in registry.items()
}


def keys(text: str) -> set[str]:
    """The keys cited in a text: [tao2020], [tao2020, eq. 6], [jolicoeur2018, huang2024]."""
    return {key for brackets in BRACKETS.findall(text) for key in KEY.findall(brackets)}


@pytest.fixture(scope="module")
def bibliography() -> list[str]:
    return re.findall(r"^@\w+\{([^,\s]+),", (ROOT / "REFERENCES.bib").read_text(encoding="utf-8"), flags=re.MULTILINE)


def test_keys_are_found_where_they_are_cited() -> None:
    text = "E_v [tao2020, eq. 6], in [0, 1], (n, m) [jolicoeur2018, huang2024]; x[2020], [szekely2013a] [sic]"
    assert keys(text) == {"tao2020", "jolicoeur2018", "huang2024", "szekely2013a"}


def test_an_entry_has_a_docstring_with_its_source(bibliography: list[str]) -> None:
    for name, entry in ENTRIES.items():
        doc = entry.__dict__.get("__doc__") if isinstance(entry, type) else entry.__doc__  # its own, not its base's
        assert doc, f"{name}: no docstring"
        first = doc.strip().splitlines()[0]
        assert first.endswith((".", ":")), f"{name}: the first line is no sentence: {first!r}"
        cited = keys(doc)
        assert cited, f"{name}: no source in [brackets]"
        assert cited <= set(bibliography), name


def test_every_key_in_the_code_resolves(bibliography: list[str]) -> None:
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for path in SOURCES:
        nodes = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, documented)]
        cited = {key for node in nodes for key in keys(ast.get_docstring(node) or "")}
        assert cited <= set(bibliography), path


def test_keys_stand_once_and_in_order(bibliography: list[str]) -> None:
    assert bibliography == sorted(set(bibliography))
