"""Every command in README and docs is one that this version takes.

What reads a run runs, against runs and files that bear the names on the pages, of fewer samples. What trains prints its
settings. What trains for hours by a table's or a figure's name, and the scripts of `benchmarks`, have their words read.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import typer
from pages import ROOT, blocks, command_lines, with_blocks

from steadygan import cli
from steadygan.recipes import RECIPES

ELSEWHERE = {  # commands that are not ours, and where they are run
    "python -m venv": ".ci/run",
    ". .venv/bin/activate": ".ci/run",
    "pip install": ".ci/run",
    "uv ": "by hand: it needs uv",
    "pytest": "here",
    "for seed in": "the loop's body is run on its own",
    "done": "the loop's body is run on its own",
}


def readable(words: list[str]) -> None:
    """The command line is one: its options exist, and their values are of the right kind."""
    command = typer.main.get_command(cli.application(words))
    above = command.make_context("steadygan", [words[0]], resilient_parsing=True)
    name, own, rest = command.resolve_command(above, words)
    with own.make_context(name, rest):
        pass


def shortened(words: list[str]) -> list[list[str]]:
    """What is run for a command on a page: the same for fewer samples, the settings alone for what trains."""
    name, *rest = words
    if name == "train":
        return [words if "--dry-run" in words else [*words, "--dry-run"]]
    if name == "compare":
        recipes = [word for word in rest if word in RECIPES]
        data = rest[rest.index("--data") : rest.index("--data") + 2] if "--data" in rest else []
        settings = [word for word in rest if "=" in word]
        return [["train", recipe, *settings, *data, "--dry-run"] for recipe in recipes] or [words]
    if name == "sweep":
        return [[*(word for word in words if word not in ("--on", "ray", "--dry-run")), "--print-jobs"]]
    if name in ("figure", "paper") and rest and "--list" not in rest and rest[0] not in ("field", "evolution"):
        return []  # these train for minutes to days
    if name == "theory":
        return [["theory", "fargan/equation-11", *(word for word in rest if word in ("--markdown", "--json"))]]
    if name == "doctor" or "--follow" in rest or "inception" in rest:
        return []  # it measures for a while, it serves until it is stopped, it downloads
    if name == "evaluate":
        rest[0] = "photographs" if "cifar" in rest else rest[0]
        rest += [] if "-n" in rest else ["-n", "100"]
    for option, value in {"-n": "100" if name == "evaluate" else "8", "--label": "3", "--at": "0,2,4"}.items():
        if option in rest:
            rest[rest.index(option) + 1] = value
    return [[name, *rest]]


def script(words: list[str]) -> None:
    """A script of ours, of which the words are its options."""
    path = ROOT / words[1]
    text = path.read_text(encoding="utf-8")
    for word in words[2:]:
        assert not word.startswith("-") or word.removeprefix("--") in text, f"{word} is no option of {words[1]}"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("there")
@pytest.mark.parametrize("name", with_blocks("bash", "console", "sh"))
def test_its_commands_run(name: str, command: Callable[..., tuple[int, str]]) -> None:
    for block in blocks(name):
        if block.language not in ("bash", "console", "sh") or block.why_not:
            continue
        for words in command_lines(block):
            line = " ".join(words)
            line = re.sub(r"^do ", "", line)
            if any(line.startswith(known) for known in ELSEWHERE):
                continue
            words = [word for word in words if word not in ("do", ">", "docs/theory.md", "jobs.sh")]
            if words[0] == "python":
                script(words)
                continue
            assert words[0] == "steadygan", f"{block}: neither ours nor known: {line}"
            own = [word.replace("$seed", "0").replace("seed-*", "seed-0") for word in words[1:]]
            if not own:
                continue
            readable([*own])
            for asked in shortened(own):
                code, said = command(*asked)
                assert code == 0, f"{block}: {line}\n{said}"
