"""What a Git host does not need and a site does: an order of the pages, pages from outside `docs`, the references.

The order is that of the lists in `index.md`, and below a folder's README.md that of the links in it.
"""

from __future__ import annotations

import html
import os
import re
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path

DOCS = Path(__file__).parent
ROOT = DOCS.parent
PROJECT = DOCS / "project"
OUTSIDE = {  # files at the root that are pages of the site, and what they are called there
    ROOT / "README.md": PROJECT / "quickstart.md",
    ROOT / "CONTRIBUTING.md": PROJECT / "contributing.md",
    ROOT / "CHANGELOG.md": PROJECT / "changelog.md",
    ROOT / "SECURITY.md": PROJECT / "security.md",
    ROOT / "CODE_OF_CONDUCT.md": PROJECT / "conduct.md",
    ROOT / "REFERENCES.bib": PROJECT / "references.md",
}
FENCE = re.compile(r"^```.*?^```$|`[^`\n]+`", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^()\s#]+)(#[^()\s]*)?(?=\))|(?<=src=\")([^\":]+)(?=\")")
KEY = re.compile(r"(?<![\w\]])\[([^\[\]`]*\b(?:[a-z]+(?:19|20)\d\d[a-z]?|zhangsdp)\b[^\[\]`]*)\](?![(\[:])")


def outside_code(text: str, edit: Callable[[str], str]) -> str:
    """A page with its prose edited, and its code as it was."""
    pieces, end = [], 0
    for fence in FENCE.finditer(text):
        pieces += [edit(text[end : fence.start()]), fence.group()]
        end = fence.end()
    return "".join([*pieces, edit(text[end:])])


def relinked(text: str, source: Path, page: Path) -> str:
    """The text of `source` with its relative links as they are from `page`."""

    def link(found: re.Match[str]) -> str:
        path, anchor, picture = found.groups()
        target = Path(os.path.normpath(source.parent / (path or picture)))
        target = OUTSIDE.get(target, target)
        return Path(os.path.relpath(target, page.parent)).as_posix() + (anchor or "")

    return outside_code(text, lambda prose: LINK.sub(link, prose))


def linked(text: str) -> list[str]:
    """The relative targets of a page's links, in order, each once."""
    found: list[str] = []
    outside_code(text, lambda prose: found.extend(match[1] for match in LINK.finditer(prose) if match[1]) or prose)
    return list(dict.fromkeys(found))


def tree(entries: list[str], caption: str = "", depth: int = 1) -> str:
    """A table of contents that is seen at the side only."""
    said = f":caption: {caption}\n" if caption else ""
    return "\n".join(["", "```{toctree}", f":hidden:\n:maxdepth: {depth}\n{said}", *entries, "```", ""])


def trees(text: str, docname: str, beside: Callable[[str], list[str]]) -> Iterator[str]:
    """The contents below a page: of the index one for each of its lists; of a folder's README, or of a page with a
    folder of its name, the pages in the folder, those that it links to first.
    """
    if docname == "index":
        for caption, part in re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE):
            named = re.findall(r"^- \[([^\]]+)\]\(([^)]+)\)", part, re.MULTILINE)
            yield tree(
                [f"{title} </{target.removesuffix('.md').removesuffix('.rst')}>" for title, target in named], caption
            )
        return
    folder, is_readme = docname.removesuffix("/README"), docname.endswith("/README")
    there = [name for name in beside(folder) if name != docname]
    base = docname.rpartition("/")[0]
    first = [os.path.normpath(f"{base}/{target.removesuffix('.md')}").lstrip("/") for target in linked(text)]
    if there and (is_readme or "/" not in docname):
        yield tree([f"/{name}" for name in dict.fromkeys([*(name for name in first if name in there), *there])])


def entries(text: str) -> Iterator[tuple[str, dict[str, str]]]:
    """The keys of a bibliography, each with its fields as plain text."""
    for key, body in re.findall(r"^@\w+\{([^,\s]+),\n(.*?)^\}", text, re.DOTALL | re.MULTILINE):
        fields = dict(re.findall(r"^ *(\w+) *= \{(.*?)\},?$", body, re.DOTALL | re.MULTILINE))
        yield key, {name: plain(value) for name, value in fields.items()}


ACCENTS = {'"': "\u0308", "'": "\u0301", "`": "\u0300", "^": "\u0302", "~": "\u0303", "c": "\u0327", "v": "\u030c"}


def plain(value: str) -> str:
    value = re.sub(r"\{?\\([\"'`^~cv])\{?\\?(\w)\}?\}?", lambda m: m[2] + ACCENTS[m[1]], value)
    value = re.sub(r"\s+", " ", value.replace("--", "-")).replace(r"\&", "&").replace("{\\l}", "ł")
    return unicodedata.normalize("NFC", re.sub(r"[{}]", "", value))


def references(text: str) -> str:
    """The bibliography as a page; `project/references.html#tao2020` leads to an entry."""
    lines = ["# References", "", "Every key in [brackets] in these pages and in the docstrings stands here.", ""]
    for key, own in entries(text):
        names = own.get("author", "").split(" and ")
        authors = ", ".join(" ".join(reversed(name.split(", "))) for name in names)
        where = own.get("booktitle") or own.get("journal") or own.get("howpublished") or own.get("publisher") or ""
        address = own.get("url") or (f"https://doi.org/{own['doi']}" if "doi" in own else "")
        address = address or (f"https://arxiv.org/abs/{own['eprint']}" if "eprint" in own else "")
        title = html.escape(own["title"])
        said = f"{authors}: " + (f"[{title}]({address})" if address else f"*{title}*")
        details = ", ".join(filter(None, (where, own.get("year", ""))))
        note = f" {own['note']}." if "note" in own else ""
        lines += [f"({key})=", f"`{key}` {said}. {details}.{note}".replace("..", "."), ""]
    return "\n".join(lines)


def write(path: Path, text: str) -> None:
    """Writes what differs only, so that a second build reads few pages."""
    path.parent.mkdir(exist_ok=True)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def generate() -> None:
    for source, page in OUTSIDE.items():
        text = source.read_text(encoding="utf-8")
        write(page, references(text) if source.suffix == ".bib" else relinked(text, source, page))


def cited(text: str, page: Path) -> str:
    """A page whose keys in brackets lead to the references."""
    keys = {key for key, _ in entries((ROOT / "REFERENCES.bib").read_text(encoding="utf-8"))}
    there = Path(os.path.relpath(PROJECT / "references.md", page.parent)).as_posix()

    def link(found: re.Match[str]) -> str:
        inside = re.sub(r"\w+", lambda w: f"[{w[0]}]({there}#{w[0]})" if w[0] in keys else w[0], found[1])
        return f"\\[{inside}\\]"

    return outside_code(text, lambda prose: KEY.sub(link, prose))


def setup(app) -> None:
    generate()

    def read(_: object, docname: str, source: list[str]) -> None:
        page = Path(app.env.doc2path(docname))
        if page.suffix != ".md":
            return
        text = source[0] if page in OUTSIDE.values() else relinked(source[0], page, page)
        hidden = trees(
            text, docname, lambda folder: sorted(n for n in app.env.found_docs if n.startswith(f"{folder}/"))
        )
        source[0] = (text if docname == "project/references" else cited(text, page)) + "".join(hidden)

    app.connect("source-read", read)
