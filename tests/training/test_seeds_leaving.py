"""A seed that is rolled back leaves its stack and goes on alone; the others never hear of it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from test_seeds_nonfinite import FAR, assert_undisturbed

from several import EXACT, FIFTH, one, records, several, stacked
from steadygan.engine.optim import Linear
from steadygan.errors import InputError
from steadygan.training.member import Member
from tiny import assert_same, saved

pytestmark = pytest.mark.usefixtures("short_blocks")


def leaving(monkeypatch: pytest.MonkeyPatch, when: int, at: int) -> None:
    """Seed 1 is rolled back at iteration `when` of its stack, to its checkpoint of iteration `at`."""
    plain = Member.pause

    def pause(self: Member) -> None:
        plain(self)
        if (self.iteration, self.run.settings["seed"], self.plan.members) == (when, 1, 3):
            self.leave(at)

    monkeypatch.setattr(Member, "pause", pause)


OFTEN = {**FAR, "checkpoint_every": 7}  # there is a newer one than that to which the run goes back


def saved_at(path: Path) -> list[str]:
    return sorted(each.name for each in (path / "checkpoints").iterdir())


def test_one_that_is_rolled_back_goes_on_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = several(tmp_path / "whole", 3, **OFTEN)
    whole.fit(32)
    several(tmp_path / "part", 3, **OFTEN).fit(14)
    expected = one(1, tmp_path / "part" / "seed-1", resume=True, **OFTEN)
    alone = expected.fit(32)
    leaving(monkeypatch, when=24, at=14)
    made = several(tmp_path / "left", 3, **OFTEN)
    runs = made.fit(32)
    assert stacked(made)
    assert [run.iteration for run in runs] == [32] * 3
    assert [run.failure for run in runs] == [None] * 3
    assert runs[1].metrics == alone.metrics
    out = tmp_path / "left" / "seed-1"
    assert records(out) == records(alone.path)
    assert_same(saved(out)["state"], saved(alone.path)["state"])
    assert saved_at(out) == saved_at(alone.path)
    assert torch.equal(runs[1].sample(9), alone.sample(9))
    log = (out / "log.txt").read_text()
    assert "iteration 24: continues from iteration 14" in log
    assert "resumed at iteration 14: executor eager, members 1" in log
    assert_undisturbed(made, whole, (0, 2))


def test_one_that_left_goes_on_alone_in_the_next_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its networks are its own by then: what the stack goes on training with the others is not what it goes on with."""
    several(tmp_path / "part", 3, **FAR).fit(14)
    alone = one(1, tmp_path / "part" / "seed-1", resume=True, **FAR).fit(32)
    whole = several(None, 3, **FAR).fit(32)
    leaving(monkeypatch, when=16, at=14)
    made = several(tmp_path / "left", 3, **FAR)
    made.fit(20)
    runs = made.fit(32)
    assert [run.iteration for run in runs] == [32] * 3
    for run, expected in zip(runs, (whole[0], alone, whole[2]), strict=True):
        assert run.metrics == expected.metrics, run.path
        assert torch.equal(run.sample(9), expected.sample(9))


def test_one_that_left_keeps_the_horizon_of_the_first_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    falling = {"schedule": Linear(start=0.3), **EXACT, **FIFTH}
    leaving(monkeypatch, when=24, at=14)
    made = several(tmp_path, 3, **falling)
    made.fit(20)
    runs = made.fit(32)
    assert [run.iteration for run in runs] == [32] * 3
    lone = one(1, **falling)
    lone.fit(20)
    torch.testing.assert_close(runs[1].sample(9), lone.fit(32).sample(9), rtol=0, atol=1e-8)


def test_where_it_cannot_go_back_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    leaving(monkeypatch, when=24, at=10)
    for out in (tmp_path, None):
        made = several(out, 3, **FIFTH)
        with pytest.raises(InputError, match="expected a checkpoint of iteration 10 to go back to, got none: keep"):
            made.fit(32)
    assert (tmp_path / "seed-1" / "checkpoints" / "000000014.pt").exists()
