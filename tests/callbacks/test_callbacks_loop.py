"""`callbacks.Loop`: the monitor's policy in a loop of one's own, in one process and in several."""

from __future__ import annotations

import io
import socket
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from watched import BROKEN, EVERY, Gan, by_hand, monitor, normal

import steadygan as sg
from steadygan.errors import CollapseError, CollapseWarning, InputError, NonFiniteError
from tiny import assert_same


def run(loop: sg.callbacks.Loop, gan: Gan, steps: int, first: int = 1) -> list[sg.Verdict]:
    found = (loop.step(D=gan.D, G=gan.G, **gan.step(i)) for i in range(first, steps + 1))
    return [verdict for verdict in found if verdict is not None]


def states(gan: Gan) -> Any:
    return {name: each.state_dict() for name, each in gan.objects.items()}


def saved(state: Mapping[str, Any]) -> Any:
    """As it comes back from a file that nothing but tensors and plain types may be in."""
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


class TestPolicies:
    def test_watching_changes_nothing_and_tells_the_same(self) -> None:
        gan, own = by_hand(20)
        told: list[tuple[int, Any]] = []
        loop = sg.callbacks.Loop(monitor(), log=lambda figures, step: told.append((step, figures)))
        watched = Gan()
        verdicts = run(loop, watched, 20)
        assert [verdict.state for verdict in verdicts] == ["learning", "good", "good", "good", "good"]
        assert loop.monitor.records == own.records
        assert loop.record == own.records[-1]
        assert_same(states(watched), states(gan))
        assert [step for step, _ in told] == [4, 8, 12, 16, 20]
        assert told[-1][1]["verdict/level"] == 0
        assert told[-1][1]["quality/quality"] == own.records[-1]["quality"]

    def test_an_alarm_is_told_once_for_each_cause(self) -> None:
        loop = sg.callbacks.Loop(monitor())
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            run(loop, Gan(BROKEN), 28)
        told = [str(each.message) for each in seen if each.category is CollapseWarning]
        assert [line.split(":")[1].strip() for line in told] == ["iteration 16", "iteration 20"]
        assert "fakes differ" in told[1]
        assert "fakes differ" not in told[0]

    def test_stop(self) -> None:
        gan, own = by_hand(40, BROKEN, "stop")
        loop, watched = sg.callbacks.Loop(monitor("stop")), Gan(BROKEN)
        with pytest.raises(CollapseError, match=r"iteration 16: collapsed: .*: stopped by the monitor$"):
            run(loop, watched, 40)
        assert loop.monitor.records == own.records
        assert_same(states(watched), states(gan))

    def test_numbers_that_are_not_finite_stop_it_as_such(self) -> None:
        loop, gan = sg.callbacks.Loop(monitor("stop")), Gan()
        run(loop, gan, EVERY - 1)
        with pytest.raises(NonFiniteError, match="iteration 4: non finite"):
            loop.step(D=gan.D, real=normal(1), fake=float("nan") * normal(2))

    @pytest.mark.parametrize("disk", [False, True], ids=["memory", "disk"])
    def test_roll_back(self, disk: bool, tmp_path: Path) -> None:
        loop_gan, asked = Gan(BROKEN), []
        loop = sg.callbacks.Loop(
            monitor("rollback"),
            loop_gan.objects,
            remedy=lambda verdict, count: asked.append((verdict.state, count)),
            out=tmp_path / "kept" if disk else None,
        )
        run(loop, loop_gan, BROKEN - 1)
        before = saved(states(by_hand(12)[0]))
        with pytest.warns(CollapseWarning, match="iteration 16: collapsed: .*: rolled back to iteration 12 .1 of 3"):
            run(loop, loop_gan, 16, BROKEN)
        assert_same(saved(states(loop_gan)), before)
        assert loop.monitor.records == by_hand(12)[1].records
        assert asked == [("collapsed", 1)]
        run(loop, loop_gan, 40, 17)
        gan, own = by_hand(40, BROKEN, "rollback")
        assert_same(states(loop_gan), states(gan))
        assert loop.monitor.records == own.records
        assert own.verdict.state == "good"

    def test_what_is_only_slow_needs_a_remedy(self, monkeypatch: pytest.MonkeyPatch) -> None:
        gan, slow = Gan(), sg.Verdict("stalled", "too slow", slow=True)
        for remedy, back in ((None, 0), (lambda *_: None, 1)):
            loop = sg.callbacks.Loop(monitor("rollback"), gan.objects, remedy=remedy)
            run(loop, gan, EVERY - 1)
            monkeypatch.setattr(loop.monitor, "observe", lambda **_: slow)
            loop.monitor.records.append({})
            loop.step(**gan.step(EVERY))
            assert loop.guard is not None
            assert len(loop.guard.events) == back


@pytest.mark.parametrize("cut", [6, 12, 15, 18])
def test_one_that_is_resumed_goes_on_as_the_unbroken_one(cut: int) -> None:
    """Before and after the accident, at a look and between two; it returns to states kept before the interruption."""
    whole_gan = Gan(BROKEN)
    whole = sg.callbacks.Loop(monitor("rollback"), whole_gan.objects)
    run(whole, whole_gan, 30)
    gan = Gan(BROKEN)
    loop = sg.callbacks.Loop(monitor("rollback"), gan.objects)
    run(loop, gan, cut)
    kept = saved({"loop": loop.state_dict(), **states(gan)})
    again = Gan(BROKEN)
    for name, each in again.objects.items():
        each.load_state_dict(kept[name])
    resumed = sg.callbacks.Loop(monitor("rollback"), again.objects)
    resumed.load_state_dict(kept["loop"])
    run(resumed, again, 30, cut + 1)
    assert resumed.monitor.records == whole.monitor.records
    assert_same(states(again), states(whole_gan))
    assert resumed.guard is not None
    assert whole.guard is not None
    assert resumed.guard.events == whole.guard.events


class TestSeveralProcesses:
    def test_the_second_observes_nothing_and_acts_as_the_first(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A stand-in hands over what the first process said."""
        said: list[Any] = []

        def broadcast(seen: list[Any], src: int) -> None:
            assert src == 0
            if torch.distributed.get_rank() == 0:
                said.append(seen[0])
            else:
                assert seen == [(None, None)]
                seen[0] = said.pop(0)

        monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
        monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
        monkeypatch.setattr(torch.distributed, "broadcast_object_list", broadcast)
        loops = []
        for rank in (0, 1):
            monkeypatch.setattr(torch.distributed, "get_rank", lambda rank=rank: rank)
            gan, told = Gan(BROKEN), []
            own = monitor("rollback", out=tmp_path / "records")
            loop = sg.callbacks.Loop(own, gan.objects, log=lambda *_, **__: told.append(1), out=tmp_path)  # noqa: B023
            with warnings.catch_warnings(record=True) as seen:
                warnings.simplefilter("always")
                run(loop, gan, 30)
            loops.append((loop, states(gan), told, seen))
        (first, one, logged, warned), (second, other, silent, quiet) = loops
        assert said == []
        assert_same(one, other)
        assert second.record == first.record
        assert second.guard is not None
        assert first.guard is not None
        assert second.guard.events == first.guard.events != []
        assert second.monitor.records == []
        assert second.monitor.calls == first.monitor.calls
        assert (bool(logged), bool(warned), silent, quiet) == (True, True, [], [])
        assert sorted(path.name for path in tmp_path.glob("*")) == ["process_0", "process_1", "records"]

    @pytest.mark.slow
    def test_two_real_ones(self, tmp_path: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        torch.multiprocessing.spawn(_process, (port, str(tmp_path)), nprocs=2)
        one, other = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
        assert one["told"] == other["told"]
        assert one["told"].startswith("iteration 16: collapsed")
        assert [len(each["records"]) for each in (one, other)] == [4, 0]


def _process(rank: int, port: int, folder: str) -> None:
    torch.set_num_threads(1)
    address = f"tcp://127.0.0.1:{port}"
    torch.distributed.init_process_group("gloo", init_method=address, rank=rank, world_size=2)
    gan = Gan(BROKEN)
    gan.D = torch.nn.parallel.DistributedDataParallel(gan.D, broadcast_buffers=False)
    loop, told = sg.callbacks.Loop(monitor("stop")), ""
    try:
        run(loop, gan, 40)
    except CollapseError as error:
        told = str(error)
    torch.save({"told": told, "records": loop.monitor.records}, Path(folder) / f"{rank}.pt")
    torch.distributed.destroy_process_group()


OWN = sg.Remedy(own=True)


@pytest.mark.parametrize(("make", "said"), [
    (lambda: sg.callbacks.Loop(None), "expected a sg.CollapseMonitor, got NoneType: create one"),  # type: ignore[arg-type]
    (lambda: sg.callbacks.Loop(monitor("rollback")), "expected objects by name to guard"),
    (lambda: sg.callbacks.Loop(monitor("rollback"), {"rate": 1}), "expected rate to have state_dict and load_state"),
    (lambda: sg.callbacks.Loop(monitor("rollback", remedy=OWN), Gan().objects), "a monitor without a remedy, got own"),
    (lambda: sg.callbacks.Loop(monitor(), remedy=print), "a remedy only with policy='rollback', got policy='warn'"),
    (lambda: sg.callbacks.Loop(monitor("rollback"), Gan().objects, remedy=3), "expected remedy as a function"),  # type: ignore[arg-type]
    (lambda: sg.callbacks.Loop(monitor("later")), "expected a policy of warn, stop, rollback, got 'later'"),
    (lambda: sg.callbacks.Loop(monitor()).load_state_dict({"monitor": 1}), "expected the state of a Loop .iteration"),
])  # fmt: skip
def test_what_is_refused(make: Callable[[], Any], said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        make()
    assert "\n" not in str(caught.value)
