"""The pages of README and docs, and what stands on them: blocks of code, each with the reason why it is not run."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *ROOT.joinpath("docs").rglob("*.md")])
PAGES = [page for page in PAGES if not page.is_relative_to(ROOT / "docs" / "project")]  # made by the site
NAMES = {page.relative_to(ROOT).as_posix(): page for page in PAGES}


class Block(NamedTuple):
    """A fenced block; `why_not` is what a comment above it says: <!-- not run: it takes hours -->."""

    page: str
    line: int
    language: str
    text: str
    why_not: str = ""

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(name: str) -> Iterator[Block]:
    text = NAMES[name].read_text(encoding="utf-8")
    fence = r"(?:^<!-- not run: ([^\n]*?) -->\n\n?)?^```([\w{}-]*)\n(.*?)^```$"
    for found in re.finditer(fence, text, re.DOTALL | re.MULTILINE):
        why_not, language, body = found.groups()
        yield Block(name, text.count("\n", 0, found.start(2)) + 1, language, body, why_not or "")


def with_blocks(*languages: str) -> list[str]:
    """The pages that have a block to run in one of these languages."""
    return [name for name in NAMES if any(b.language in languages and not b.why_not for b in blocks(name))]


def command_lines(block: Block) -> Iterator[list[str]]:
    """The words of each command, without comments; a line that ends in a backslash goes on, {a,b} is two words."""
    for line in block.text.replace("\\\n", " ").splitlines():
        words: list[str] = []
        for word in [*shlex.split(line.removeprefix("$ "), comments=True), "&&"]:
            ended = word.endswith(";")
            if word != "&&":
                braced = re.fullmatch(r"(.*)\{(.*)\}(.*)", word)
                each = braced[2].split(",") if braced else [word.rstrip(";")]
                words += [braced[1] + own + braced[3] for own in each] if braced else each
            if words and (ended or word == "&&"):
                yield words
                words = []
