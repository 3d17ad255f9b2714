"""Commands in this process or in forks of it, under an alarm: what each answered, and whether that is an answer."""

from __future__ import annotations

import contextlib
import io
import json
import os
import resource
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from unittest import mock

from steadygan import cli
from steadygan.training.probes import Probes

SECONDS = 20  # that a command may take
MEMORY = 4 * 2**30  # bytes that it may take beyond what this process has
CODES = (0, 2, 3, 4)
SMALL = (
    "batch_size=8", "method.fake_as_real.count=2", "generator.width=8", "generator.depth=1", "discriminator.width=8",
    "discriminator.depth=1", "evaluate.every=2", "evaluate.n=100", "checkpoint_every=2", "log_every=1", "device=cpu",
    "threads=1", "compile=off",
)  # fmt: skip
RUN = Path("runs/points-far/seed-0")
LENGTH = 4  # iterations


class Answer(NamedTuple):
    """What a command left: its exit code, None where it did not end by itself; why it is no answer, "" where it is."""

    words: tuple[str, ...]
    code: int | None
    out: str
    err: str
    fault: str = ""


class Hang(BaseException):
    """The alarm rang."""


def ring(*_: object) -> None:
    raise Hang


def answered(words: Sequence[str]) -> Answer:
    """What one command answers in this process."""
    out, err, fault, code = io.StringIO(), io.StringIO(), "", None
    with mock.patch.object(sys, "argv", ["steadygan", *words]):
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                code = cli.main([*words])
        except Hang:
            fault = f"hang: {traceback.format_exc()[-1500:]}"
        except BaseException:
            fault = f"traceback: {traceback.format_exc()[-1500:]}"
    return Answer((*words,), code, out.getvalue(), err.getvalue(), fault or judged(code, err.getvalue()))


def judged(code: int | None, err: str) -> str:
    """What is wrong with an answer: "" for one of the exit codes with at most two lines, none of them a traceback."""
    lines = err.splitlines()
    if "Traceback" in err or code not in CODES:
        return f"exit code {code}: {err[-1500:]}"
    if code == 2 and not (1 <= len(lines) <= 2 and lines[-1].startswith("error: ")):
        return f"{len(lines)} lines: {err[-1500:]}"
    long = [line for line in lines if len(line) > 1300]
    return f"a line of {len(long[0]):,} characters: {long[0][:300]}" if long else ""


def forked(cases: Sequence[Sequence[str]], folder: Path, seconds: int = SECONDS) -> list[Answer]:
    """The commands one after the other in a fork of this process, which may hang, crash or ask for much memory."""
    told = folder / ".answers"
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            os.chdir(folder)
            held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (held + MEMORY, resource.RLIM_INFINITY))
            signal.signal(signal.SIGALRM, ring)
            with told.open("w") as file:
                for words in cases:
                    signal.alarm(seconds)
                    answer = answered(words)
                    signal.alarm(0)
                    file.write(json.dumps(answer) + "\n")
                    file.flush()
        os._exit(0)
    end = time.monotonic() + (seconds + 2) * len(cases)
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        if time.monotonic() > end:  # what no exception in it can reach
            os.kill(child, signal.SIGKILL)
        time.sleep(0.002)
    lines = told.read_text().splitlines() if told.exists() else []
    found = [Answer(tuple(words), *rest) for words, *rest in map(json.loads, lines)]
    return [*found, *(Answer((*words,), None, "", "", "hang or crash") for words in cases[len(found) :][:1])]


def made(folder: Path) -> Path:
    """A folder with points and a short run on them, of which every file that a run has is there."""
    import numpy as np

    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "points.npy", np.random.default_rng(0).normal(size=(60, 2)).astype(np.float32))
    words = ["train", "points/far", *SMALL, "--data", "points.npy", "--iterations", str(LENGTH)]
    with contextlib.chdir(folder), mock.patch.object(Probes, "draw"):
        assert answered(words).code == 0
    back = {"iteration": 3, "to": 2, "verdict": "losing", "reason": "fewer modes", "remedy": ""}
    (folder / RUN / "interventions.json").write_text(json.dumps([back]), encoding="utf-8")
    return folder


def commands(further: int = LENGTH + 2) -> Mapping[str, Sequence[str]]:
    """The seven that read a run; those that write into it are the last."""
    run, data = str(RUN), ["--data", "points.npy"]
    return {
        "diagnose": ["diagnose", run],
        "evaluate": ["evaluate", run, "--against", "own", "-n", "100"],
        "sample": ["sample", run, "-n", "10", "--out", "drawn.png"],
        "report": ["report", run, "--out", "page.html"],
        "export": ["export", run, "--out", "exported"],
        "compare": ["compare", "points/far", *data, "--iterations", str(LENGTH), "--out", "runs", *SMALL],
        "train": ["train", "--resume", "--out", run, "--iterations", str(further)],
    }


@contextlib.contextmanager
def copied(base: Path, place: Path) -> Iterator[Path]:
    """A copy of the folder, gone afterwards."""
    shutil.copytree(base, place, symlinks=True)
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)
