"""What other processes do: started by a server that has imported torch once."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch

from steadygan.runs.folder import RunFolder
from steadygan.training.probes import Probes

PRELOADED = [  # what a run imports, also what torch does at the first step of an optimiser
    "pytest",
    "steadygan.training.trainer",
    "steadygan.penalties",
    "torch._dynamo",
    "torch.utils.tensorboard",
    "test_kill",
]
OPERATIONS = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir"}
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


@contextmanager
def process(job: Callable[..., None], *arguments: Any) -> Iterator[tuple[BaseProcess, Connection]]:
    """`job(connection, *arguments)` in a process of its own, killed at the end if it is still there."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    here, there = context.Pipe()
    started = context.Process(target=job, args=(there, *arguments))
    started.start()
    there.close()
    try:
        yield started, here
    finally:
        started.kill()
        started.join()
        started.close()
        here.close()


def hold(connection: Connection, path: Path) -> None:
    """Takes a run folder's lock, says so, and keeps it."""
    folder = RunFolder(path)  # a lock that nobody holds on to is given back
    folder.acquire()
    connection.send("held")
    connection.recv()


def work(connection: Connection, job: Callable[[Path], None], out: Path, draw: bool, at: int | None) -> None:
    """Says that it begins, does `job(out)`, and says how many files it opened for writing, moved or removed there.

    at: the number of the one before which the process is killed.
    """
    done = 0

    def count(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal done
        if event not in OPERATIONS or (event == "open" and not (arguments[2] or 0) & WRITES):
            return
        if any(isinstance(each, str | os.PathLike) and os.fspath(each).startswith(str(out)) for each in arguments):
            done += 1
            if done == at:
                os.kill(os.getpid(), signal.SIGKILL)

    _quick(draw)
    sys.addaudithook(count)
    connection.send("begins")
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
        job(out)
    connection.send(done)


def train_without_room(connection: Connection, make: Callable[..., Any], out: Path, iterations: int, room: int) -> None:
    """Trains where no file may grow beyond `room` bytes, and tells how that ended."""
    _quick()
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
    try:
        make(out, resume=True).fit(iterations)
    except Exception as error:
        connection.send((type(error).__name__, str(error)))
    else:
        connection.send(("nothing", ""))


def _quick(draw: bool = False) -> None:
    torch.set_num_threads(1)
    if not draw:
        Probes.draw = lambda *_: None
