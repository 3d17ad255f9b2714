"""Attacks on the command line: corrupted and malicious files, bad words. One line, exit code 2, and nothing is run.

The whole, whose figures stand in docs/robustness.md: pytest tests/robustness -m slow -n 0 -s
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import attacks
import malice
import pytest
import words
from corruption import Corruption, corruptions

from steadygan.commands.tables.results import SideBySide
from steadygan.training.probes import Probes

DRAWN = ("samples/000000002.npz", "metrics.jsonl")  # what figures are made of
CHUNK = 50


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with points, and a run on them."""
    return attacks.made(tmp_path_factory.mktemp("attacked") / "base")


def answers(case: Corruption, base: Path, folder: Path, names: tuple[str, ...] = ()) -> Iterator[attacks.Answer]:
    """What commands answer to a run with this file: those that read it, then the resumption of another such run."""
    commands = {name: words for name, words in attacks.commands().items() if not names or name in names}
    resumed = [commands.pop("train")] if "train" in commands else []
    with pytest.MonkeyPatch.context() as patch:
        if case.name not in DRAWN:
            patch.setattr(Probes, "draw", lambda *_: None)
            patch.setattr(SideBySide, "draw", lambda *_: None)
        for some in filter(None, ([*commands.values()], resumed)):
            with attacks.copied(base, folder / "copy") as place:
                told = case(place / attacks.RUN)
                for answer in attacks.forked(some, place):
                    yield answer._replace(fault=answer.fault and f"{case} ({told}): {answer.words[0]}: {answer.fault}")


def told(what: str, found: list[attacks.Answer]) -> None:
    """The figures of the page; fails with all faults where there is one."""
    codes = Counter(answer.code for answer in found)
    faults = [answer.fault for answer in found if answer.fault]
    counted = ", ".join(f"{count} exit {code}" for code, count in codes.items())
    print(f"\n{what}: {len(found)} calls ({counted}), {len(faults)} faults")
    assert not faults, "\n\n".join(faults)


ALL = corruptions()


def test_there_are_500_corrupted_files() -> None:
    assert len(ALL) == 500


def test_some_corrupted_files(base: Path, tmp_path: Path) -> None:
    found = [answer for case in ALL[::60] for answer in answers(case, base, tmp_path, ("diagnose", "sample"))]
    told("some corrupted files", found)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, len(ALL), CHUNK), ids=lambda first: f"{first}-{first + CHUNK - 1}")
def test_corrupted_files(first: int, base: Path, tmp_path: Path) -> None:
    with attacks.copied(base, tmp_path / "copy") as place, contextlib.chdir(place):
        assert attacks.answered(attacks.commands()["export"]).code == 0  # what forks would import again and again
    found = [answer for case in ALL[first : first + CHUNK] for answer in answers(case, base, tmp_path)]
    told(f"corrupted files {first} to {first + CHUNK - 1}", found)


WORDS = words.lines()


def refused(answer: attacks.Answer) -> attacks.Answer:
    """A bad command line has one answer."""
    fault = answer.fault or (f"exit code {answer.code}" if answer.code != 2 else "")
    return answer._replace(fault=fault and f"{' '.join(answer.words)[:200]}: {fault}")


def test_there_are_400_bad_command_lines() -> None:
    assert len({tuple(line) for line in WORDS}) == 400


@pytest.mark.parametrize("every", [7, pytest.param(1, marks=pytest.mark.slow)])
def test_bad_words(every: int, base: Path, tmp_path: Path) -> None:
    with attacks.copied(base, tmp_path / "copy") as place:
        words.prepared(place)
        told("bad command lines", [refused(answer) for answer in attacks.forked(WORDS[::every], place)])


MALICE = malice.malicious()


def test_there_are_40_malicious_files() -> None:
    assert len(MALICE) == len({each.name for each in MALICE}) == 40


@pytest.mark.parametrize("every", [14, pytest.param(1, marks=pytest.mark.slow)])
def test_malicious_files(every: int, base: Path, tmp_path: Path) -> None:
    found = []
    for each in MALICE[::every]:
        with attacks.copied(base, tmp_path / "copy") as place:
            each.make(place)
            given = each.words or [*attacks.commands().values()][: 7 if every == 1 else 3]
            for answer in attacks.forked(given, place):
                harm = malice.harm(place, answer.out + answer.err)
                fault = harm or answer.fault
                found.append(answer._replace(fault=fault and f"{each.name}: {answer.words[0]}: {fault}"))
    told("malicious files", found)
