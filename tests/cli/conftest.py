"""The command line: `commands` in this process, `command` in one of its own, `torchless` where torch cannot be had."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import subprocess
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

import steadygan
from steadygan import cli
from steadygan.training.probes import Probes

SOURCE = Path(steadygan.__file__).parents[1]
DRAW = Probes.draw

IN_ONE = """
import contextlib, io, json, sys
from steadygan import cli

answers = []
for words in json.loads(sys.argv[1]):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = cli.main(words)
    answers.append([code, out.getvalue(), err.getvalue()])
print(json.dumps(answers))
"""


@dataclass(frozen=True)
class Answer:
    """What a command returned and printed."""

    code: int
    out: str
    err: str

    @property
    def complaints(self) -> list[str]:
        """Lines of stderr that are no part of what is told on the way: errors, warnings, tracebacks."""
        return [line for line in self.err.splitlines() if re.match(r"error: |Traceback|.*Warning: ", line)]

    def refused(self) -> str:
        """The message of a refusal, after checking that it is one line, exit code 2 and nothing else."""
        assert self.code == 2, self
        assert self.err.startswith("error: "), self
        assert self.err.count("\n") == 1, self
        assert self.err.endswith("\n"), self
        return self.err.removeprefix("error: ").strip()


def environment(*first: Path) -> Mapping[str, str]:
    """The caller's, with this package importable and one thread."""
    paths = [*map(str, first), str(SOURCE), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "OMP_NUM_THREADS": "1", "COLUMNS": "100"}


def _process(arguments: Sequence[str], cwd: Path, *before: Path) -> Answer:
    """Python with these arguments; the folders `before` come first on the import path."""
    done = subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=cwd,
        env=environment(*before),
        timeout=240,
    )
    return Answer(done.returncode, done.stdout, done.stderr)


def _said(message: Warning | str, category: type[Warning], filename: str, line: int, *_: Any) -> None:
    print(warnings.formatwarning(message, category, filename, line), file=sys.stderr)


def _several(commands: Sequence[Sequence[str]], cwd: Path, drawn: bool = False) -> list[Answer]:
    """One command after the other in this process, with Python's own filters of warnings, which go to stderr.

    The first run draws figures if `drawn`.
    """
    answers = []
    with pytest.MonkeyPatch.context() as patch, contextlib.chdir(cwd), warnings.catch_warnings():
        warnings.simplefilter("default")
        for kind in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
            warnings.simplefilter("ignore", kind)
        patch.setattr(warnings, "showwarning", _said)
        patch.setenv("COLUMNS", "100")
        if drawn:
            patch.setattr(Probes, "draw", DRAW)
        for words in commands:
            out, err = io.StringIO(), io.StringIO()
            patch.setattr(sys, "argv", ["steadygan", *words])
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                code = cli.main([*words])
            answers.append(Answer(code, out.getvalue(), err.getvalue()))
            if words[0] == "train":
                patch.setattr(Probes, "draw", lambda *_: None)
    return answers


@pytest.fixture(scope="session")
def command() -> Callable[..., Answer]:
    """(*words, cwd=, before=()) -> Answer, in a process of its own; before: folders first on its import path."""
    return lambda *words, cwd, before=(): _process(["-m", "steadygan", *words], cwd, *before)


@pytest.fixture(scope="session")
def commands() -> Callable[..., list[Answer]]:
    """(list of words, cwd, drawn=False) -> Answers, one after the other in this process."""
    return _several


@pytest.fixture(scope="session")
def apart() -> Callable[[Sequence[Sequence[str]], Path], list[Answer]]:
    """(list of words, cwd) -> Answers, one after the other in one process of their own, in which parts are enrolled."""

    def asked(commands: Sequence[Sequence[str]], cwd: Path) -> list[Answer]:
        done = _process(["-c", IN_ONE, json.dumps([[*words] for words in commands])], cwd)
        assert done.code == 0, done
        return [Answer(*answer) for answer in json.loads(done.out)]

    return asked


@pytest.fixture(scope="session")
def torchless(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Sequence[Sequence[str]], Path], list[Answer]]:
    """(list of words, cwd) -> Answers, in one process in which torch, numpy and matplotlib cannot be imported."""
    folder = tmp_path_factory.mktemp("torchless")
    for name in ("torch", "numpy", "matplotlib", "sklearn"):
        (folder / f"{name}.py").write_text(f"raise SystemExit('{name} was imported')\n", encoding="utf-8")

    def asked(commands: Sequence[Sequence[str]], cwd: Path) -> list[Answer]:
        done = _process(["-c", IN_ONE, json.dumps([[*words] for words in commands])], cwd, folder)
        assert done.code == 0, done
        return [Answer(*answer) for answer in json.loads(done.out)]

    return asked


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], dict[str, Answer]]], Any]:
    """(name, make) -> (folder, answers) of `make(folder)`, called by one of the workers that share the tests."""
    base = tmp_path_factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def shared(name: str, make: Callable[[Path], dict[str, Answer]]) -> tuple[Path, dict[str, Answer]]:
        folder, known = base / name, base / f"{name}.json"
        with FileLock(base / f"{name}.lock"):
            if not known.exists():
                folder.mkdir()
                made = make(folder)
                known.write_text(json.dumps({key: astuple(answer) for key, answer in made.items()}), encoding="utf-8")
        answers = json.loads(known.read_text(encoding="utf-8"))
        return folder, {key: Answer(*answer) for key, answer in answers.items()}

    return shared


@pytest.fixture(scope="session")
def surroundings() -> Mapping[str, str]:
    """The environment of those processes."""
    return environment()
