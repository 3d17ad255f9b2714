"""The site: every page in its contents, every public name in its reference, links that lead somewhere; how it is made.

`.ci/run` builds it, with warnings as errors; here is what needs no Sphinx.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
from pages import NAMES, ROOT, blocks

import steadygan
from steadygan.registry import Registry

sys.path.insert(0, str(ROOT / "docs"))
import _pages
import _reference

LANGUAGES = {"bash", "python", "text", "diff", "json"}


def slug(heading: str) -> str:
    """The anchor that Git hosts give a heading."""
    return re.sub(r"[^\w\- ]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()).replace(" ", "-")


def anchors(page: Path) -> set[str]:
    headings: list[str] = []
    _pages.outside_code(
        page.read_text(encoding="utf-8"),
        lambda prose: headings.extend(re.findall(r"^#+ (.*)$", prose, re.MULTILINE)) or prose,
    )
    return {slug(heading) for heading in headings}


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_somewhere(name: str) -> None:
    """On a Git host as well: to a file that is there, and to a heading in it."""
    page = NAMES[name]
    found: list[tuple[str, str]] = []
    link = r"\]\((?![a-z]+:)([^()\s#]*)#?([^()\s]*)\)|src=\"([^\":]+)\""
    _pages.outside_code(
        page.read_text(encoding="utf-8"),
        lambda prose: found.extend((a or c, b) for a, b, c in re.findall(link, prose)) or prose,
    )
    for target, anchor in found:
        path = (page.parent / target).resolve() if target else page
        assert path.exists(), f"{name}: no {target}"
        if anchor:
            assert anchor in anchors(path), f"{name}: no heading #{anchor} in {path.name}"


@pytest.mark.parametrize("name", NAMES)
def test_a_block_says_its_language(name: str) -> None:
    for block in blocks(name):
        assert block.language in LANGUAGES, block


def test_every_page_is_in_the_contents() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    listed = {_pages.DOCS.joinpath(target).resolve() for target in _pages.linked(index)}
    below = {page.parent for page in listed if page.name == "README.md"} | {page.with_suffix("") for page in listed}
    for page in NAMES.values():
        assert page in listed or page.parent in below - {ROOT} or page.name == "index.md", page
    assert {*_pages.OUTSIDE} <= listed


def test_every_public_name_has_an_entry() -> None:
    pages = _reference.pages()
    modules = {"steadygan": steadygan} | {
        name: thing for name in steadygan.__all__ if isinstance(thing := getattr(steadygan, name), ModuleType)
    }
    assert pages.keys() == modules.keys()
    for page, module in modules.items():
        names = getattr(module, "__all__", None) or [
            name
            for name, thing in vars(module).items()
            if getattr(thing, "__module__", None) == module.__name__ and not name.startswith("_")
        ]
        entries = re.findall(
            rf"^\.\. (?:auto(?:class|function)|py:data):: {re.escape(module.__name__)}\.(\w+)$", pages[page], re.M
        )
        assert {name for name in names if name not in modules} <= {*entries}
        assert len(entries) == len({*entries})


def test_a_registry_lists_what_it_holds() -> None:
    text = "\n".join(_reference.listing(steadygan.losses.LOSSES))
    assert "``hinge``" in text
    assert ":ref:`lim2017 <lim2017>`" in text
    assert isinstance(steadygan.losses.LOSSES, Registry)


def test_a_docstring_becomes_restructured_text() -> None:
    lines = """Counts `a b` of E D(x)*2, x_ and |v| [tao2020, eq. 6].

    x, weight: samples (n, *shape); of: "logit" or
    what. Other: prose. Raises InputError for weight: below 0.
    """.splitlines()
    assert _reference.restructured(lines, ["x", "weight", "of", "n"]) == [
        r"Counts \ ``a b``\  of E D(x)\*2, x\_ and \|v\| [:ref:`tao2020 <tao2020>`, eq. 6].",
        "",
        ":Parameters:",
        r"    - **x, weight**: samples (n, \*shape)",
        '    - **of**: "logit" or what. Other: prose.',
        "",
        ":Raises:",
        "    - **InputError** for weight: below 0.",
        "",
    ]


def test_a_signature_is_as_the_source_has_it() -> None:
    class Part:
        def __init__(self, weight: steadygan.types.Term = 0.5, *, of: str = "logit", by=len) -> None: ...

    assert _reference.signature(Part) == ("(weight: steadygan.types.Term = 0.5, *, of: str = 'logit', by=len)", "")


def test_links_of_a_page_from_elsewhere() -> None:
    text = "[a](docs/data.md#x) ![b](docs/b.png) [c](examples/c.py) [d](#d) [e](https://e.org) [f](REFERENCES.bib)\n"
    assert _pages.relinked(text, ROOT / "README.md", _pages.PROJECT / "quickstart.md") == (
        "[a](../data.md#x) ![b](../b.png) [c](../../examples/c.py) [d](#d) [e](https://e.org) [f](references.md)\n"
    )
    code = "```text\n[a](docs/data.md)\n```"
    assert _pages.relinked(code, ROOT / "README.md", _pages.PROJECT / "quickstart.md") == code


def test_keys_lead_to_the_references() -> None:
    page = ROOT / "docs" / "methods" / "packing.md"
    told = _pages.cited("as in [lin2018, eq. 2], x[2018], [text](lin2018.md), `[lin2018]`", page)
    assert told == (
        r"as in \[[lin2018](../project/references.md#lin2018), eq. 2\], x[2018], [text](lin2018.md), `[lin2018]`"
    )


def test_a_reference_in_plain_words() -> None:
    text = "@misc{b2017,\n  author = {B{\\'e}al, L{\\'e}on and Ko, A.},\n  title = {On {GANs}},\n  year = {2017}\n}\n"
    ((key, fields),) = _pages.entries(text)
    assert (key, fields["title"], fields["year"]) == ("b2017", "On GANs", "2017")
    assert fields["author"] == "Béal, Léon and Ko, A."
    assert "`b2017` Léon Béal, A. Ko: *On GANs*. 2017." in _pages.references(text)


SAME = {  # rows of the README's table, and where its figures come from in docs/results.md
    "modes of 25": "modes of 25",
    "high-quality share": "high-quality share",
    "emptiest mode, relative to an even share": "emptiest mode / even share",
    "balance within modes (1 = real)": "balance (1 = as even as real)",
    "largest gradient that G received": "gradient at G, largest of a run",
}


@pytest.mark.parametrize("row", SAME)
def test_the_readmes_figures_are_those_of_the_results(row: str) -> None:
    """Rounded, as mean and deviation of nsgan, r1 and far."""

    def cells(name: str, label: str) -> list[list[str]]:
        page = NAMES[name].read_text(encoding="utf-8")
        line = re.findall(rf"^\| {re.escape(label)} \|(.*)\|$", page, re.MULTILINE)[0]  # grid25 comes first
        return [re.findall(r"\d+\.\d+", re.sub(r"\(.*?\)", "", cell)) for cell in line.split("|")[-3:]]

    shown, measured = cells("README.md", row), cells("docs/results.md", SAME[row])
    for told, exact in zip(shown, measured, strict=True):
        assert told
        for text, value in zip(told, exact, strict=False):
            assert abs(float(text) - float(value)) <= 0.5001 * 10.0 ** -len(text.partition(".")[2])
