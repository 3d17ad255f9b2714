"""`sg.Guard`: roll-back in a loop of one's own, exact, of whatever has a state, and further back where it must be."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import steadygan as sg
from steadygan.errors import CollapseError, InputError, NonFiniteError
from tiny import assert_same

ON_DISK = {"kept": [(0, None)], "looks": [], "gone": [], "events": []}


class Loop:
    """Two networks and their optimisers, whose steps are whole numbers of an iteration's."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.G, self.D = nn.Linear(2, 2), nn.Linear(2, 1)
        self.opt_g = torch.optim.Adam(self.G.parameters(), lr=0.1)
        self.opt_d = torch.optim.SGD(self.D.parameters(), lr=0.1, momentum=0.9)
        self.plan = torch.optim.lr_scheduler.ExponentialLR(self.opt_d, 0.5)

    @property
    def objects(self) -> dict[str, Any]:
        return {"G": self.G, "D": self.D, "opt_g": self.opt_g, "opt_d": self.opt_d, "plan": self.plan}

    def train(self, steps: int = 1) -> None:
        for _ in range(steps):
            for network, optimizer in ((self.G, self.opt_g), (self.D, self.opt_d)):
                optimizer.zero_grad()
                network(torch.ones(1, 2)).sum().backward()
                optimizer.step()
            self.plan.step()

    def state(self) -> Any:
        return torch.load(self._saved(), weights_only=True)

    def _saved(self) -> Any:
        file = io.BytesIO()
        torch.save({name: each.state_dict() for name, each in self.objects.items()}, file)
        file.seek(0)
        return file


def verdict(state: str, since: int = 0) -> sg.Verdict:
    return sg.Verdict(state, "a reason", since=since)


@pytest.mark.parametrize("disk", [False, True], ids=["memory", "disk"])
def test_it_puts_back_what_was_good_exactly(disk: bool, tmp_path: Path) -> None:
    loop, seen = Loop(), {}
    guard = sg.Guard(loop.objects, out=tmp_path / "kept" if disk else None)
    for i in (100, 200, 300):
        loop.train(3)
        assert guard.step(None, i - 1) is None
        assert guard.step(verdict("good"), i) is None
        seen[i] = loop.state()
    loop.train(3)
    assert guard.step(verdict("losing", since=300), 400) == 200  # what happened after the look before it is not trusted
    assert_same(loop.state(), seen[200])
    loop.train(6)
    again = Loop()
    again.train(12)
    assert_same(loop.state(), again.state())  # and goes on as if nothing had been
    assert guard.events == ["iteration 400: losing: a reason: rolled back to iteration 200 (1 of 3)"]
    files = sorted(path.name for path in (tmp_path / "kept").glob("*"))
    assert files == (["guard_000000000.pt", "guard_000000200.pt"] if disk else [])


def test_further_back_where_that_did_not_help_and_then_no_more() -> None:
    loop = Loop()
    first = loop.state()
    guard = sg.Guard(loop.objects, times=3, keep=3)
    for i in (100, 200):
        loop.train()
        guard.step(verdict("good"), i)
    assert [guard.step(verdict("collapsed", since=i), i) for i in (300, 400, 500)] == [200, 100, 0]
    assert_same(loop.state(), first)
    with pytest.raises(CollapseError, match="iteration 600: collapsed: a reason: given up after 3 roll-backs"):
        guard.step(verdict("collapsed", since=600), 600)


def test_a_state_that_is_good_again_may_be_gone_back_to_again() -> None:
    loop = Loop()
    guard = sg.Guard(loop.objects)
    guard.step(verdict("good"), 100)
    assert guard.step(verdict("losing", since=200), 200) == 100
    guard.step(verdict("good"), 100)  # a loop that counts from there
    assert guard.step(verdict("losing", since=200), 200) == 100


def test_young_and_stalled_runs() -> None:
    """`learning` is kept, as in a Trainer; `stalled` is an alarm."""
    loop = Loop()
    guard = sg.Guard(loop.objects)
    guard.step(verdict("learning"), 100)
    assert guard.step(verdict("stalled", since=200), 300) in (0, 100)


def test_the_remedy_follows_each_roll_back() -> None:
    loop, asked = Loop(), []

    def slower(seen: sg.Verdict, count: int) -> None:
        asked.append((seen.state, count))
        for group in loop.opt_d.param_groups:
            group["lr"] *= 0.1

    guard = sg.Guard(loop.objects, remedy=slower)
    rate = loop.opt_d.param_groups[0]["lr"]
    for i in (100, 200):
        guard.step(verdict("losing", since=i), i)
        assert loop.opt_d.param_groups[0]["lr"] == pytest.approx(0.1 * rate)  # the rate of the state, then the remedy
    assert asked == [("losing", 1), ("losing", 2)]


def test_numbers_that_are_not_finite_end_as_such() -> None:
    guard = sg.Guard(Loop().objects, times=1)
    assert guard.step(verdict("non_finite", since=10), 10) == 0
    with pytest.raises(NonFiniteError, match=r"given up after 1 roll-back$"):
        guard.step(verdict("non_finite", since=20), 20)


def test_the_monitor_goes_back_with_the_rest(tmp_path: Path) -> None:
    """Its records are those of then; on disk, too."""
    torch.manual_seed(0)
    monitor = sg.CollapseMonitor(every=1)
    D, x = nn.Linear(2, 1), torch.randn(64, 2)
    guard = sg.Guard({"D": D, "monitor": monitor}, out=tmp_path)
    for i in (1, 2, 3):
        monitor.observe(D=D, real=x, fake=torch.randn(64, 2), iteration=i)
        guard.step(verdict("good"), i)
    records = [dict(record) for record in monitor.records]
    monitor.observe(D=D, real=x, fake=torch.zeros(64, 2), iteration=4)
    to = guard.step(verdict("collapsed", since=4), 4)
    assert to == 3
    assert monitor.records == records


@pytest.mark.parametrize(("make", "said"), [
    (lambda _: sg.Guard({}), "expected objects by name to guard, got dict"),
    (lambda _: sg.Guard([Loop().G]), "expected objects by name to guard, got list"),  # type: ignore[arg-type]
    (lambda _: sg.Guard({"rate": 0.1}), "expected rate to have state_dict and load_state_dict, got float: leave"),
    (lambda _: sg.Guard(Loop().objects, times=0), "times must be a whole number of 1 or more, not 0"),
    (lambda out: [sg.Guard(Loop().objects, out=out).step(None, 1) for _ in range(2)], "no states of another guard in"),
    (lambda _: sg.Guard(Loop().objects).load_state_dict({"kept": []}), "expected the state of a Guard .kept, looks"),
    (lambda _: sg.Guard(Loop().objects).load_state_dict(ON_DISK), "expected the out of the guard whose state this is"),
])  # fmt: skip
def test_what_cannot_be_guarded(make: Callable[[Path], Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=said):
        make(tmp_path)


def test_a_loop_that_goes_on_from_a_checkpoint() -> None:
    loop = Loop()
    loop.train(3)
    first, guard = loop.state(), sg.Guard(loop.objects, iteration=5000)
    loop.train(3)
    assert guard.step(verdict("losing", since=5100), 5200) == 5000
    assert_same(loop.state(), first)
    with pytest.raises(InputError, match="iteration must be a whole number"):
        sg.Guard(loop.objects, iteration=-1)


@pytest.mark.parametrize("disk", [False, True], ids=["memory", "disk"])
def test_one_that_is_resumed_acts_as_the_unbroken_one(disk: bool, tmp_path: Path) -> None:
    """It returns to states from before the interruption, and further back where the unbroken one would."""

    def guard(loop: Loop, name: str) -> sg.Guard:
        return sg.Guard(loop.objects, keep=3, out=tmp_path / name if disk else None)

    def begun(name: str) -> tuple[Loop, sg.Guard]:
        loop = Loop()
        own = guard(loop, name)
        for i in (100, 200):
            loop.train()
            own.step(verdict("good"), i)
        assert own.step(verdict("losing", since=300), 300) == 200
        return loop, own

    def ended(loop: Loop, own: sg.Guard) -> tuple[Any, list[str]]:
        assert own.step(verdict("losing", since=400), 400) == 100
        return loop.state(), own.events

    whole, (loop, cut) = begun("whole"), begun("cut")
    file = io.BytesIO()
    torch.save({"loop": loop.state(), "guard": cut.state_dict()}, file)
    file.seek(0)
    saved = torch.load(file, weights_only=True)  # plain types and tensors
    cut.step(verdict("good"), 350)  # lost with what followed the checkpoint
    again = Loop()
    for name, each in again.objects.items():
        each.load_state_dict(saved["loop"][name])
    resumed = guard(again, "cut")
    resumed.load_state_dict(saved["guard"])
    assert_same(ended(again, resumed), ended(*whole))


def test_a_state_that_is_gone_is_named(tmp_path: Path) -> None:
    guard = sg.Guard(Loop().objects, out=tmp_path)
    guard.step(verdict("good"), 100)
    (tmp_path / "guard_000000100.pt").unlink()
    with pytest.raises(InputError, match=r"guard_000000100.pt, kept by the guard, got no such file: restore it"):
        sg.Guard(Loop().objects, out=tmp_path).load_state_dict(guard.state_dict())
