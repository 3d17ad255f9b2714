"""The command line in processes of its own: `command` runs one, `commands` several with torch imported once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

import steadygan

SOURCE = Path(steadygan.__file__).parents[1]

MANY = """
import contextlib, io, json, os, sys
from steadygan import cli

os.chdir(sys.argv[1])
answers = []
for words in json.loads(sys.argv[2]):
    out, err = io.StringIO(), io.StringIO()
    sys.argv = ["steadygan", *words]
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = cli.main(words)
    answers.append([code, out.getvalue(), err.getvalue()])
    if words[0] == "train":  # later runs draw no figures, which take longer than they do
        from steadygan.training import figures
        figures.draw = lambda *_: None
print(json.dumps(answers))
"""


@dataclass(frozen=True)
class Answer:
    """What a command returned and printed."""

    code: int
    out: str
    err: str

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


def _one(*words: str, cwd: Path, before: Sequence[Path] = ()) -> Answer:
    """`python -m steadygan` with `words`; the folders `before` come first on the import path."""
    done = subprocess.run(
        [sys.executable, "-m", "steadygan", *words],
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=cwd,
        env=environment(*before),
        timeout=240,
    )
    return Answer(done.returncode, done.stdout, done.stderr)


def _several(commands: Sequence[Sequence[str]], cwd: Path) -> list[Answer]:
    """One command after the other in one process, so that torch is imported once."""
    done = subprocess.run(
        [sys.executable, "-c", MANY, str(cwd), json.dumps([[*words] for words in commands])],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=environment(),
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    return [Answer(*answer) for answer in json.loads(done.stdout.splitlines()[-1])]


@pytest.fixture(scope="session")
def command() -> Callable[..., Answer]:
    """(*words, cwd=, before=()) -> Answer, in a process of its own."""
    return _one


@pytest.fixture(scope="session")
def commands() -> Callable[[Sequence[Sequence[str]], Path], list[Answer]]:
    """(list of words, cwd) -> Answers, in one process."""
    return _several


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
