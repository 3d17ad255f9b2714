"""The queue of tasks: how many at once, what is tried again, waits, fails and is stopped; cores and memory."""

from __future__ import annotations

import io
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import pytest

from steadygan.commands.batch import machine, queue
from steadygan.commands.batch.board import Board
from steadygan.commands.batch.machine import Machine, free_memory, last_line, resident, threads
from steadygan.commands.batch.queue import check, done
from steadygan.commands.batch.task import Ended, Task
from steadygan.commands.compare import planned_jobs
from steadygan.errors import InputError


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "PAUSE", 0.0)


def todo(count: int) -> list[Task]:
    return [Task((job,)) for job in planned_jobs("ring8/far", (), "full", count, 100, None, Path("nowhere"))]


class Script:
    """Workers whose tasks end as written: a list of exit codes for each task, one for each try."""

    def __init__(self, most: int, codes: dict[Task, list[int]], lacking: Callable[[int], str] = lambda _: "") -> None:
        self.most, self.codes, self._lacking = most, codes, lacking
        self.begun: list[Task] = []
        self.now: dict[Task, None] = {}
        self.together = 0
        self.stops: list[bool] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def lacking(self) -> str:
        return self._lacking(len(self.now))

    def start(self, task: Task) -> None:
        self.begun.append(task)
        self.now[task] = None
        self.together = max(self.together, len(self.now))

    def ended(self) -> list[Ended]:
        """One at a time, the oldest; none that has no code left."""
        task = next((task for task in self.now if self.codes[task]), None)
        if task is None:
            return []
        del self.now[task]
        return [Ended(task, self.codes[task].pop(0), "why")]

    def stop(self, now: bool) -> None:
        self.stops.append(now)
        for task in self.now:
            self.codes[task].append(130)


def run(workers: Script, own: list[Task]) -> list[Ended]:
    return done(own, workers, Board(own, workers.most, plain=True))


@pytest.mark.parametrize("most", [1, 2, 5, 100])
def test_all_tasks_are_done_in_their_order_and_never_more_at_once(most: int) -> None:
    own = todo(7)
    workers = Script(most, {task: [0] for task in own})
    assert run(workers, own) == []
    assert workers.begun == own
    assert workers.together == min(most, len(own))


def test_what_the_monitor_stopped_has_not_failed_and_other_codes_have(capsys: pytest.CaptureFixture[str]) -> None:
    own = todo(5)
    workers = Script(2, dict(zip(own, [[0], [3], [4], [2], [1]], strict=True)))
    failures = run(workers, own)
    assert [(end.task, end.code) for end in failures] == [(own[3], 2), (own[4], 1)]
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "5 runs in 5 jobs, 2 at the same time"
    assert [line[:5] for line in said[1:]] == [f"[{i}/5]" for i in range(1, 6)]
    assert sum("not done: why" in line for line in said) == 2
    with pytest.raises(InputError, match=r"^ring8/far seed 3: why \(and 1 more jobs failed\)$"):
        check(failures)
    check([])


def test_a_task_that_was_killed_is_tried_once_more_and_last() -> None:
    own = todo(3)
    workers = Script(1, dict(zip(own, [[-9, 0], [0], [0]], strict=True)))
    assert run(workers, own) == []
    assert workers.begun == [*own, own[0]]
    again = Script(1, {own[0]: [-9, -9]})
    assert [end.code for end in run(again, own[:1])] == [-9]


def test_tasks_wait_while_something_is_lacking_and_are_refused_if_nothing_goes_on() -> None:
    own = todo(3)
    workers = Script(3, {task: [0] for task in own}, lambda running: "expected memory" if running else "")
    assert run(workers, own) == []
    assert workers.together == 1
    with pytest.raises(InputError, match=r"^expected memory$"):
        run(Script(3, {task: [0] for task in own}, lambda _: "expected memory"), own)


@pytest.mark.skipif(os.name != "posix", reason="sends a POSIX signal")
def test_signals_are_handed_on_once_each_and_then_all_ends() -> None:
    own = todo(4)
    before = signal.getsignal(signal.SIGINT)

    def lacking(running: int) -> str:
        if running == 1:
            os.kill(os.getpid(), signal.SIGINT)
        return ""

    workers = Script(2, {own[0]: [], own[1]: [], own[2]: [0], own[3]: [0]}, lacking)
    with pytest.raises(KeyboardInterrupt, match=r"^interrupted, 0 of 4 jobs done$"):
        run(workers, own)
    assert workers.stops == [False]
    assert workers.begun == own[:2]
    assert signal.getsignal(signal.SIGINT) is before


def test_cores_are_divided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "cores", lambda: 8)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert [threads(jobs) for jobs in (1, 2, 3, 8, 20)] == [8, 4, 2, 1, 1]
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert [threads(jobs) for jobs in (1, 2, 4)] == [3, 3, 2]


class Sized:
    """A process that holds so much memory."""

    def __init__(self, pid: int) -> None:
        self.pid = pid


def test_a_process_begins_only_where_memory_is_left_for_those_that_still_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    free: dict[str, Any] = {"now": 4 * machine.LEAST}
    monkeypatch.setattr(machine, "free_memory", lambda: free["now"])
    monkeypatch.setattr(machine, "resident", lambda pid: pid)
    own, workers = todo(2), Machine(4)
    assert workers.lacking() == ""
    free["now"] = machine.LEAST - 1
    assert "GiB of free memory for another job, got 0.8: free some, or lower --jobs" in workers.lacking()
    free["now"] = None  # nobody tells
    assert workers.lacking() == ""
    workers._children[own[0]] = machine.Child(Sized(0), io.BytesIO())  # type: ignore[arg-type]  # has just begun
    free["now"] = 2 * machine.LEAST - 1
    assert workers.lacking() != ""
    free["now"] = 2 * machine.LEAST
    assert workers.lacking() == ""
    large = 3 * machine.LEAST
    workers._children[own[1]] = machine.Child(Sized(large), io.BytesIO())  # type: ignore[arg-type]
    free["now"] = 2 * large - 1  # each may become as large as the largest
    assert workers.lacking() != ""
    free["now"] = 2 * large
    assert workers.lacking() == ""
    workers._children = {}


@pytest.mark.skipif(not Path("/proc/meminfo").exists(), reason="this system has no /proc")
def test_memory_is_read_from_the_system() -> None:
    free, own = free_memory(), resident(os.getpid())
    assert free is not None
    assert 0 < own < 2**40
    assert 0 <= free < 2**50
    assert resident(2**30) == 0


def test_the_last_words_of_a_command() -> None:
    assert last_line(io.BytesIO(b"a note\nerror: expected this, got that\n")) == "expected this, got that"
    assert last_line(io.BytesIO(b"x" * 10_000 + b"\nlast")) == "last"
    assert last_line(io.BytesIO()) == "it said nothing"
