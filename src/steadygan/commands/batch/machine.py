"""This machine as workers, processes: each with its share of the cores, and begun only where there is memory."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, NamedTuple, Self

from .task import Ended, Task

LEAST = 800 * 2**20  # bytes that a process takes at least: torch, and a small network with its data
GIB = 2**30
PATIENCE = 60.0  # seconds in which a run saves its state


class Child(NamedTuple):
    """A process, and what it says on stderr."""

    process: subprocess.Popen[bytes]
    errors: IO[bytes]


class Machine:
    """Does each task by a `train` command in a process of its own."""

    def __init__(self, at_once: int, plugins: Sequence[str] = ()) -> None:
        self.most, self.plugins = at_once, plugins
        self._children: dict[Task, Child] = {}
        self._peak = LEAST  # bytes, of any process so far

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for child in self._children.values():
            child.process.kill()
            child.process.wait()
            child.errors.close()
        self._children = {}

    def lacking(self) -> str:
        """The memory that is missing for another process, where the system tells how much there is."""
        free = free_memory()
        if free is None:
            return ""
        held = [resident(child.process.pid) for child in self._children.values()]
        self._peak = max(self._peak, *held, 0)
        free -= sum(max(0, self._peak - own) for own in held)  # which those that have just begun will take
        if free >= self._peak:
            return ""
        return (
            f"expected {self._peak / GIB:.1f} GiB of free memory for another job, got {max(0, free) / GIB:.1f}: free "
            "some, or lower --jobs"
        )

    def start(self, task: Task) -> None:
        """Begins a process that no key of this terminal reaches: a signal is handed on once, and saves."""
        errors = tempfile.TemporaryFile()  # noqa: SIM115 (open as long as the process)
        command = [sys.executable, "-m", "steadygan", *task.command(self.plugins)]
        quiet = subprocess.DEVNULL
        environment = os.environ | {"OMP_NUM_THREADS": str(threads(self.most))}
        process = subprocess.Popen(
            command, stdin=quiet, stdout=quiet, stderr=errors, env=environment, start_new_session=True
        )
        self._children[task] = Child(process, errors)

    def ended(self) -> list[Ended]:
        """The processes that ended, each with the last line of its stderr."""
        found = []
        for task, child in [*self._children.items()]:
            if (code := child.process.poll()) is not None:
                del self._children[task]
                found.append(Ended(task, code, last_line(child.errors)))
        return found

    def stop(self, now: bool) -> None:
        """Sends SIGTERM, or SIGKILL."""
        for child in self._children.values():
            child.process.kill() if now else child.process.terminate()


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads(at_once: int) -> int:
    """The threads of each of some processes: an even share of the cores, or fewer where the user says so.

    The cores are divided and not pinned: two commands on one machine would pin to the same ones.
    """
    share, own = max(1, cores() // at_once), os.environ.get("OMP_NUM_THREADS", "")
    return min(share, int(own)) if own.isdigit() and int(own) else share


def last_line(errors: IO[bytes]) -> str:
    """What a command said last, without the word error; closes the file."""
    with errors:
        errors.seek(max(0, errors.seek(0, os.SEEK_END) - 4096))
        lines = errors.read().decode(errors="replace").strip().splitlines()
    return lines[-1].removeprefix("error: ") if lines else "it said nothing"


def free_memory() -> int | None:
    """Bytes that new processes may take, within the limits of this one's control groups; None where nobody tells."""
    try:
        table = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
        free = 1024 * int(table["MemAvailable"].split()[0])
        group = next(line for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::"))
    except (OSError, ValueError, LookupError):
        return None
    except StopIteration:  # an older kernel's groups
        return free
    place = Path("/sys/fs/cgroup") / group[3:].lstrip("/")
    for folder in (place, *place.parents):
        try:
            limit, used = ((folder / name).read_text().strip() for name in ("memory.max", "memory.current"))
            cached = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())["inactive_file"]
            if limit != "max":
                free = min(free, int(limit) - int(used) + int(cached))
        except (OSError, ValueError, LookupError):  # a group without limits, or no group
            continue
    return free


def resident(pid: int) -> int:
    """Bytes of memory that a process holds; 0 where nobody tells, or it is gone."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, ValueError, LookupError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
