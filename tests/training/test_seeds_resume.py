"""A stack cut into pieces is the stack in one piece, bit for bit, compiled or not, in one process or in two."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from test_resume import CASES, RHYTHM
from test_signals import at, noisy, send
from torch import Tensor

import steadygan as sg
from known import needs_cpp
from several import Make, one, records, several, stacked, states
from steadygan.engine import draws
from steadygan.engine.compiler import Compiler
from steadygan.errors import Interrupted
from tiny import Spread, assert_same, differs, said, saved, trainer

HERE = Path(__file__).parent
FAR = {"method": sg.methods.FakeAsReal(2, factor=3), "penalties": [sg.penalties.r1(0.1)], **RHYTHM}
pytestmark = pytest.mark.usefixtures("short_blocks")
STACKED = [*CASES][:4]


def of_case(name: str) -> Make:
    def make(seed: int, out: Path | None, **more: Any) -> sg.Trainer:
        made, settings = CASES[name]()
        return made(out=out, seed=seed, **(RHYTHM | settings | more))

    return make


def noisily(seed: int, out: Path | None, **more: Any) -> sg.Trainer:
    return trainer(out, seed=seed, **noisy(), **RHYTHM, **more)


def assert_same_runs(here: sg.Seeds, there: sg.Seeds) -> None:
    """States, records, files and samples of every seed."""
    assert_same(states(here), states(there))
    for a, b in zip(here.trainers, there.trainers, strict=True):
        if a.out is not None and b.out is not None:
            assert (a.out / "metrics.jsonl").read_text() == (b.out / "metrics.jsonl").read_text()
            assert_same(saved(a.out)["state"], saved(b.out)["state"])
            assert sorted(p.name for p in (a.out / "samples").iterdir()) == sorted(
                p.name for p in (b.out / "samples").iterdir()
            )


@pytest.mark.parametrize("case", STACKED)
def test_32_iterations_are_26_and_6(tmp_path: Path, case: str) -> None:
    """26 is no block's end, no tick's and no checkpoint's; 20, where the second run is cut too, is a block's end."""
    whole = several(tmp_path / "whole", 2, of_case(case))
    whole.fit(32)
    for until in (20, 26, 32):
        pieces = several(tmp_path / "cut", 2, of_case(case), resume=True)
        runs = pieces.fit(until)
    assert stacked(whole)
    assert stacked(pieces)
    assert_same_runs(pieces, whole)
    assert [said(run) for run in runs] == [[], []]  # nothing that is "not bit-identical"
    assert differs(states(whole)[0].networks["G"], states(whole)[1].networks["G"])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_and_resumed(tmp_path: Path, number: int) -> None:
    """One seed's callback sends the signal: all seeds are saved, and go on as if nothing had happened."""
    whole = several(tmp_path / "whole", 3, **FAR)
    whole.fit(32)

    def make(seed: int, out: Path | None, **settings: Any) -> sg.Trainer:
        return one(seed, out, callbacks=[at(12, number)] if seed == 1 else [], **FAR, **settings)

    cut = tmp_path / "cut"
    with pytest.raises(Interrupted) as error:
        several(cut, 3, make).fit(32)
    assert str(error.value) == f"interrupted after iteration 12, saved in {cut}"
    for seed in range(3):
        assert int(saved(cut / f"seed-{seed}")["state"].iteration) == 12
        assert "iteration 12: interrupted, checkpoint saved" in (cut / f"seed-{seed}" / "log.txt").read_text()
        assert not any(record.get("final") for record in records(cut / f"seed-{seed}"))
    again = several(cut, 3, resume=True, **FAR)
    again.fit(32)
    assert stacked(again)
    assert_same_runs(again, whole)


def test_interrupted_where_seeds_are_trained_one_after_the_other(tmp_path: Path) -> None:
    """The first one is finished, the second one cut, the third one not begun; all of them end the same."""
    whole = several(
        tmp_path / "whole", 3, make=lambda seed, out, **more: trainer(out, seed=seed, **noisy(), **RHYTHM, **more)
    )
    whole.fit(32)
    cut = tmp_path / "cut"

    def make(seed: int, out: Path | None, **more: Any) -> sg.Trainer:
        return noisily(seed, out, callbacks=[at(12)] if seed == 1 else [], **more)

    with pytest.raises(Interrupted):
        several(cut, 3, make).fit(32)
    assert [int(saved(cut / f"seed-{seed}")["state"].iteration) for seed in (0, 1)] == [32, 12]
    assert not (cut / "seed-2" / "checkpoints").exists()
    again = several(cut, 3, noisily, resume=True)
    again.fit(32)
    assert again.reason is not None
    assert_same_runs(again, whole)


def test_interrupted_in_the_middle_of_a_segment_and_gone_on_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = several(None, 2, **FAR)
    runs = whole.fit(32)
    made = several(None, 2, **FAR)
    plain, done = Compiler.once, [0]

    def counted(self: Compiler, *asked: Any) -> Callable[..., Any]:
        step = plain(self, *asked)

        def run(*arguments: Any) -> Any:
            done[0] += 1
            if done[0] == 2 * 1 + 2 * 19:  # the rehearsal is one iteration of two steps
                send(signal.SIGINT)
            return step(*arguments)

        return run

    monkeypatch.setattr(Compiler, "once", counted)
    with pytest.raises(Interrupted, match="interrupted after iteration 19, nothing was saved, because"):
        made.fit(32)
    monkeypatch.setattr(Compiler, "once", plain)
    again = made.fit(32)
    assert_same(states(made), states(whole))
    assert [run.metrics for run in again] == [run.metrics for run in runs]


def test_interrupted_in_the_first_of_two_stacks() -> None:
    """The second stack has not begun; it is one all the same when training goes on in memory."""
    made = several(None, 11, lambda seed, out: one(seed, out, callbacks=[at(8)] if seed == 2 else [], **RHYTHM))
    with pytest.raises(Interrupted):
        made.fit(16)
    runs = made.fit(16)
    assert [len(session.members) for session in made._stacks] == [5, 6]
    expected = several(None, 11, **RHYTHM)
    assert [run.metrics for run in runs] == [run.metrics for run in expected.fit(16)]
    assert_same(states(made), states(expected))


@pytest.mark.parametrize("case", STACKED[1:3])
def test_two_fits_are_one(tmp_path: Path, case: str) -> None:
    whole = several(tmp_path / "whole", 2, of_case(case))
    runs = whole.fit(30)
    for out in (tmp_path / "cut", None):
        made = several(out, 2, of_case(case))
        made.fit(17)
        torch.rand(5)  # the host goes on with its own generator in between
        again = made.fit(30)
        assert_same(states(made), states(whole))
        assert [run.metrics for run in again] == [run.metrics for run in runs]
    assert_same_runs(made, whole)
    assert made.fit(4)[0].iteration == 30


def test_from_an_older_checkpoint_that_all_have(tmp_path: Path) -> None:
    """A kill while checkpoints were being written: one seed has the newest one, the other has not."""
    whole = several(tmp_path / "whole", 2, **FAR)
    whole.fit(32)
    several(tmp_path / "cut", 2, **FAR).fit(28)
    (tmp_path / "cut" / "seed-1" / "checkpoints" / "000000028.pt").unlink()
    again = several(tmp_path / "cut", 2, resume=True, **FAR)
    again.fit(32)
    assert stacked(again)
    assert_same_runs(again, whole)


def test_looking_changes_no_bit() -> None:
    """Ticks, evaluations that draw, snapshots, checkpoints and callbacks that draw."""

    class Drawing(Spread):
        def __call__(self, samples: Tensor) -> dict[str, float]:
            return {"spread": float(samples.std() + torch.rand(()))}

    quiet = several(None, 2, evaluator=None, **(FAR | dict.fromkeys(RHYTHM, 1000)))
    quiet.fit(26)
    callbacks = [lambda *_: torch.rand(3)]
    rhythm = {"log_every": 3, "evaluate_every": 5, "checkpoint_every": 4, "callbacks": callbacks}
    busy = several(None, 2, evaluator=Drawing(), **(FAR | rhythm))
    busy.fit(26)
    assert_same([state._replace(sums={}) for state in states(busy)], [s._replace(sums={}) for s in states(quiet)])


@pytest.mark.parametrize("case", STACKED[1:3])
def test_large_reals_are_read_iteration_by_iteration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    whole = several(tmp_path / "whole", 2, of_case(case))
    whole.fit(26)
    monkeypatch.setattr(draws, "AT_ONCE", 0)
    several(tmp_path / "cut", 2, of_case(case)).fit(9)
    again = several(tmp_path / "cut", 2, of_case(case), resume=True)
    again.fit(26)
    assert stacked(again)
    assert_same_runs(again, whole)


PROCESS = """
import sys
from pathlib import Path
import torch
from steadygan.training.probes import Probes
from test_seeds_resume import compiled

torch.set_num_threads(1)
Probes.draw = lambda *_: None
for words in sys.argv[1:]:
    name, until = words.split("=")
    compiled(Path(name)).fit(int(until))
"""


def compiled(out: Path) -> sg.Seeds:
    """Two seeds, compiled, and gone on with where there is something."""
    return several(out, 2, resume=True, compile="on", evaluator=None, **FAR)


def in_a_process(cwd: Path, *words: str) -> None:
    path = os.pathsep.join([str(HERE), str(HERE.parent), str(Path(sg.__file__).parents[1])])
    caches = {"TORCHINDUCTOR_CACHE_DIR": str(cwd / "cache"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", PROCESS, *words],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": path, **caches},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@needs_cpp
def test_compiled_in_a_new_process(tmp_path: Path) -> None:
    """The second process finds the first one's code, and ends with the bits of a run that was never cut."""
    in_a_process(tmp_path, "whole=60", "cut=25")
    for seed in range(2):
        assert json.loads((tmp_path / "cut" / f"seed-{seed}" / "plan.json").read_text())["compile"] == "on"
    in_a_process(tmp_path, "cut=60")
    for seed in range(2):
        whole, cut = tmp_path / "whole" / f"seed-{seed}", tmp_path / "cut" / f"seed-{seed}"
        assert int(saved(cut)["state"].iteration) == 60
        assert_same(saved(cut)["state"], saved(whole)["state"])
        assert records(cut) == records(whole)
        assert "not bit-identical" not in (cut / "log.txt").read_text()
        assert "compiled in" in (cut / "log.txt").read_text()
