"""What the monitor does about a run: it tells, it stops, or it goes back to where all was well, exactly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import steadygan as sg
from several import EXACT, FIFTH, one, several, written
from steadygan.diagnostics.remedy import Change
from steadygan.diagnostics.verdicts import Verdict
from steadygan.errors import CollapseError, InputError
from steadygan.runs import checkpoint
from steadygan.runs.folder import RunFolder
from steadygan.runs.interventions import interventions
from steadygan.runs.log import ending
from steadygan.runs.run import Run
from steadygan.training.guard import Response, healed
from tiny import LOSS, assert_same, saved, state, trainer, wide

pytestmark = pytest.mark.usefixtures("short_blocks")


def monitor(policy: Any = "warn", **settings: Any) -> sg.CollapseMonitor:
    return sg.CollapseMonitor(policy=policy, thresholds=LOSS, **settings)


class Push:
    """Throws G out of the data at one iteration, `times` times, however often the run comes by."""

    def __init__(self, at: int, times: int = 1, factor: float = 1e4) -> None:
        self.at, self.left, self.factor = at, times, factor

    def __call__(self, run: Run, iteration: int, record: dict[str, float]) -> None:
        if iteration == self.at and self.left:
            self.left -= 1
            with torch.no_grad():
                for parameter in run.G_live.parameters():
                    parameter.mul_(self.factor if parameter.ndim > 1 else 1.0)


def pushed(out: Path | None, policy: Any, push: Push, **settings: Any) -> sg.Trainer:
    settings = wide() | settings
    watcher = {key: settings.pop(key) for key in ("times", "remedy") if key in settings}
    return trainer(out, **{"monitor": monitor(policy, **watcher), "callbacks": [push], **FIFTH, **settings})


def test_warns_and_goes_on(tmp_path: Path) -> None:
    run = pushed(tmp_path, "warn", Push(20)).fit(32)
    verdicts = {record["iteration"]: record["verdict"] for record in run.metrics}
    assert verdicts[20] == "learning"
    assert verdicts[24] == "collapsed"
    assert run.metrics[-1]["iteration"] == 32
    told = [event for event in run.events if "collapsed" in event]
    assert told
    assert "the average's fakes have a quality of 0 after 0." in told[0]
    assert "(at iteration 24)" in told[0]
    kept = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert kept == run.metrics


@pytest.mark.parametrize("ema", [0.9, None])
def test_watching_changes_no_bit(ema: float | None) -> None:
    watched, alone = (trainer(ema=ema, monitor=m, **FIFTH) for m in ("auto", None))
    runs = watched.fit(26), alone.fit(26)
    assert_same(state(watched)._replace(sums={}), state(alone)._replace(sums={}))
    assert "verdict" in runs[0].metrics[-1]
    assert not {"verdict", "gradient_mean", "gradient_norm_g", "separation"} & runs[1].metrics[-1].keys()


def test_stops_with_exit_code_4(tmp_path: Path) -> None:
    made = pushed(tmp_path, "stop", Push(20))
    with pytest.raises(CollapseError, match=r"iteration 24: collapsed: .*stopped by the monitor; the last good") as e:
        made.fit(40)
    assert e.value.exit_code == 4
    assert "iteration 14" in str(e.value)
    assert int(saved(tmp_path)["state"].iteration) == 24


def test_rolls_back_exactly(tmp_path: Path) -> None:
    """A push that does not come again leaves no trace in the run: weights, draws, records, samples."""
    calm = trainer(tmp_path / "calm", monitor=monitor(), **wide(), **FIFTH).fit(32)
    made = pushed(tmp_path / "pushed", "rollback", Push(20))
    run = made.fit(32)
    assert run.iteration == 32
    assert_same(saved(tmp_path / "pushed")["state"], saved(tmp_path / "calm")["state"])
    assert run.metrics == calm.metrics
    assert torch.equal(run.sample(20), calm.sample(20))
    (done,) = interventions(tmp_path / "pushed" / "interventions.json")
    assert (done.iteration, done.to, done.verdict) == (24, 14, "collapsed")
    assert any("rolled back to iteration 14 (1 of 3)" in event for event in run.events)


def test_gives_up_after_a_set_number(tmp_path: Path) -> None:
    made = pushed(tmp_path, "rollback", Push(20, times=9), times=2)
    with pytest.raises(CollapseError, match="given up after 2 roll-backs"):
        made.fit(40)
    assert len(interventions(tmp_path / "interventions.json")) == 2


def test_what_is_not_finite_is_never_saved(tmp_path: Path) -> None:
    """A run that is given up for a term that is not finite leaves the checkpoints before it, and no other."""
    made = pushed(tmp_path, "rollback", Push(20, times=9, factor=float("inf")), times=1)
    with pytest.raises(CollapseError, match="given up after 1 roll-back"):
        made.fit(40)
    for path in sorted((tmp_path / "checkpoints").glob("*.pt")):
        networks = checkpoint.read(path)["state"].networks
        assert all(torch.isfinite(value).all() for network in networks.values() for value in network.values()), path


def test_new_draws_where_the_old_ones_ended_the_same(tmp_path: Path) -> None:
    calm = trainer(tmp_path / "calm", monitor=monitor(), **wide(), **FIFTH).fit(32)
    run = pushed(tmp_path / "pushed", "rollback", Push(20, times=2)).fit(32)
    assert [r["iteration"] for r in run.metrics] == [r["iteration"] for r in calm.metrics]
    assert run.metrics[-1]["d_loss"] != calm.metrics[-1]["d_loss"]
    again = pushed(tmp_path / "again", "rollback", Push(20, times=2)).fit(32)
    assert run.metrics == again.metrics


class Killed(BaseException):
    """Nothing catches it."""


class Poisoned:
    """Throws G out of the data at 20, as if the checkpoint of 14 held the reason: until the run was before it `times`.

    killed: at this iteration of the pass on which all is well, once.
    """

    def __init__(self, times: int = 1, killed: int = -1) -> None:
        self.left, self.killed = times, killed

    def __call__(self, run: Run, iteration: int, record: dict[str, float]) -> None:
        self.left -= iteration == 8
        if iteration == 20 and self.left >= 0:
            with torch.no_grad():
                for parameter in run.G_live.parameters():
                    parameter.mul_(1e4 if parameter.ndim > 1 else 1.0)
        if iteration == self.killed and self.left < 0:
            raise Killed


def poisoned(out: Path, push: Any, **settings: Any) -> sg.Trainer:
    return pushed(out, "rollback", push, **{"checkpoint_every": 7, "lr_g": 1e-3, **settings})


def tos(out: Path) -> list[int]:
    return [each.to for each in interventions(out / "interventions.json")]


def test_goes_further_back_each_time(tmp_path: Path) -> None:
    """The same alarm from the same checkpoint: an earlier one is taken, with new draws from there on."""
    calm = trainer(tmp_path / "calm", monitor=monitor(), **wide(), **{**FIFTH, "lr_g": 1e-3}).fit(32)
    run = poisoned(tmp_path / "a", Poisoned()).fit(32)
    assert tos(tmp_path / "a") == [14, 7]
    before, after = ([r["d_loss"] for r in own.metrics if "d_loss" in r] for own in (calm, run))
    assert before[0] == after[0]  # iteration 4: before both
    assert before[-1] != after[-1]
    again = poisoned(tmp_path / "b", Poisoned()).fit(32)
    assert again.metrics == run.metrics
    with pytest.raises(CollapseError, match="given up after 4 roll-backs"):
        poisoned(tmp_path / "c", Push(20, times=9), times=4).fit(32)
    assert tos(tmp_path / "c") == [14, 7, 0, 0]


@pytest.mark.parametrize("killed", [8, 16, 24])
def test_a_run_that_went_further_back_resumes_exactly(tmp_path: Path, killed: int) -> None:
    """Also from a checkpoint that has the number of one which a roll-back went to, and was written anew."""
    whole = poisoned(tmp_path / "whole", Poisoned()).fit(32)
    with pytest.raises(Killed):
        poisoned(tmp_path / "cut", Poisoned(killed=killed)).fit(32)
    run = poisoned(tmp_path / "cut", Push(20, times=0), resume=True).fit(32)
    assert run.metrics == whole.metrics
    assert_same(saved(tmp_path / "cut")["state"], saved(tmp_path / "whole")["state"])
    assert torch.equal(run.sample(20), whole.sample(20))


def test_what_is_slow_is_not_done_again_unless_something_is_changed() -> None:
    """No accident: the same again would end the same."""
    records = [{"iteration": at, "verdict": "learning"} for at in (20, 40)]
    slow, other = Verdict("stalled", "r", slow=True), Verdict("stalled", "r")
    changed = slow._replace(change=Change(lr_d=0.5))

    def back(verdict: Verdict, remedy: sg.Remedy) -> int | None:
        action = Response("rollback", 3, remedy).on_verdict(verdict, 60, records, [0, 20, 40])
        assert action is None or action.back is not None
        return None if action is None or action.back is None else action.back.to

    assert back(slow, sg.Remedy()) is back(slow, sg.Remedy(own=True)) is None
    stopped = Response("stop", 3, sg.Remedy()).on_verdict(slow, 60, records, [0, 20, 40])
    assert stopped is not None
    assert "stopped by the monitor" in stopped.told
    assert back(slow, sg.Remedy(lr_d=0.5)) == back(changed, sg.Remedy(own=True)) == back(other, sg.Remedy()) == 0


def test_new_ground_is_gone_back_to_first(tmp_path: Path) -> None:
    """An alarm that comes after newer good checkpoints has nothing to do with the one before."""
    calm = poisoned(tmp_path / "calm", Push(0, times=0)).fit(48)

    def twice(run: Run, iteration: int, record: dict[str, float]) -> None:
        first(run, iteration, record)
        second(run, iteration, record)

    first, second = Push(20), Push(40)
    run = poisoned(tmp_path / "a", twice).fit(48)
    assert tos(tmp_path / "a") == [14, 35]
    assert run.metrics == calm.metrics
    assert_same(saved(tmp_path / "a")["state"], saved(tmp_path / "calm")["state"])


def test_what_a_roll_back_may_need_is_kept(tmp_path: Path) -> None:
    """The newest good checkpoint, one before it, and the beginning, however few are kept."""
    with pytest.raises(Killed):
        poisoned(tmp_path, Poisoned(times=0, killed=32), keep=1).fit(40)
    assert sorted(int(p.stem) for p in (tmp_path / "checkpoints").glob("*.pt")) == [0, 14, 21, 28]


def test_a_roll_back_that_was_cut_short_is_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its target decides from the moment it is written down, whatever newer checkpoints are still there."""
    settings = {"remedy": sg.Remedy(lr_d=0.5), "checkpoint_every": 7, "lr_g": 1e-3}
    whole = pushed(tmp_path / "whole", "rollback", Push(12), **settings).fit(32)

    def kill(self: RunFolder, iteration: int) -> None:
        raise Killed

    cut = RunFolder(tmp_path / "cut")
    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "cut_back", kill)
        with pytest.raises(Killed):
            pushed(cut.path, "rollback", Push(12), **settings).fit(32)
    assert cut.checkpoint(14).exists()  # of a D that was dead already, though no look had told
    assert cut.newest == cut.checkpoint(7)
    run = pushed(cut.path, "rollback", Push(12, times=0), resume=True, **settings).fit(32)
    assert run.metrics == whole.metrics
    assert_same(saved(cut.path)["state"], saved(tmp_path / "whole")["state"])
    assert cut.interventions.read_text() == (tmp_path / "whole" / "interventions.json").read_text()


@pytest.mark.parametrize(("policy", "times"), [("stop", 3), ("rollback", 1)])
def test_what_was_stopped_stays_so_until_another_policy_is_given(tmp_path: Path, policy: str, times: int) -> None:
    with pytest.raises(CollapseError) as stopped:
        pushed(tmp_path, policy, Push(20, times=9), times=times).fit(40)
    end = ending(RunFolder(tmp_path))
    assert end == ("stopped", str(stopped.value), saved(tmp_path)["state"].iteration)
    before = written(tmp_path)
    with pytest.raises(CollapseError) as again:
        pushed(tmp_path, policy, Push(20, times=0), times=times, resume=True).fit(40)
    told = f"{stopped.value}: a resumed run stays stopped; set another monitor.policy to continue"
    assert str(again.value) == told
    assert written(tmp_path) == before
    run = pushed(tmp_path, "warn", Push(20, times=0), resume=True).fit(40)
    assert run.iteration == 40
    assert f"resumes from where it was stopped: {stopped.value}" in run.events
    assert ending(RunFolder(tmp_path)) is None


def test_without_a_healthy_checkpoint(tmp_path: Path) -> None:
    made = pushed(tmp_path, "rollback", Push(0))
    plain = made.fit

    def fit() -> None:
        plain(0)
        for path in (tmp_path / "checkpoints").iterdir():
            path.unlink()
        plain(20)

    with pytest.raises(CollapseError, match="no good checkpoint to roll back to"):
        fit()


def test_the_healthy_checkpoint_is_kept(tmp_path: Path) -> None:
    """Alarms that are no reason to go back, or that come late, do not cost the last good state."""
    run = pushed(tmp_path, "stop", Push(20), checkpoint_every=4, keep=1)
    with pytest.raises(CollapseError, match="checkpoint is at iteration 20"):
        run.fit(40)
    assert sorted(int(p.stem) for p in (tmp_path / "checkpoints").glob("*.pt")) == [20, 24]


def test_a_remedy_is_taken_and_taken_again_on_resume(tmp_path: Path) -> None:
    remedy = sg.Remedy(
        lr_d=0.5, penalty_weights=3.0, penalties=[sg.penalties.r1(0.2)], methods=[sg.methods.FakeAsReal(2)]
    )
    made = pushed(tmp_path / "a", "rollback", Push(20), remedy=remedy, penalties=[sg.penalties.zero_gp(1.0)])
    run = made.fit(40)
    assert "penalty/r1" in run.metrics[-1]
    assert made.session.executor.rates == (1e-2, 0.5e-2)  # type: ignore[union-attr]
    (opponent,) = made.session.executor.opponents.values()  # type: ignore[union-attr]
    assert [(p.name, p.weight) for p in opponent.penalties] == [("zero_gp", 3.0), ("r1", 0.2)]  # type: ignore[attr-defined]
    assert opponent.method == sg.methods.FakeAsReal(2)
    settings = {"remedy": remedy, "penalties": [sg.penalties.zero_gp(1.0)]}
    pushed(tmp_path / "b", "rollback", Push(20), **settings).fit(32)
    told = r"rolled back with the remedy 'lr_d x 0.5, penalty weights x 3, r1\(weight=0.2\) on, fake_as_real\(count=2\)"
    for other in (sg.Remedy(lr_d=0.4), None):
        again = pushed(tmp_path / "b", "rollback", Push(20), resume=True, **{**settings, "remedy": other})
        with pytest.raises(InputError, match=told):
            again.fit(40)
    resumed = pushed(tmp_path / "b", "rollback", Push(20, times=0), resume=True, **settings).fit(40)
    assert resumed.metrics == run.metrics
    assert_same(saved(tmp_path / "b")["state"], saved(tmp_path / "a")["state"])


def test_parts_are_switched_on_once(tmp_path: Path) -> None:
    remedy = sg.Remedy(lr_d=0.9, penalties=[sg.penalties.r1(0.01)])
    made = pushed(tmp_path, "rollback", Push(20, times=2), remedy=remedy)
    made.fit(32)
    done = interventions(tmp_path / "interventions.json")
    assert [each.remedy for each in done] == ["lr_d x 0.9, r1(weight=0.01) on", "lr_d x 0.9"]
    resumed = pushed(tmp_path, "rollback", Push(20, times=0), remedy=remedy, resume=True)
    resumed.fit(40)
    assert resumed.session.executor.rates == (1e-2, pytest.approx(0.81e-2))  # type: ignore[union-attr]


def test_remedies_add_up() -> None:
    made = trainer(penalties=[sg.penalties.r1(2.0)])
    setup = healed(made.setup, *[sg.Remedy(lr_g=0.5, penalty_weights=2.0, penalties=[sg.penalties.r1(9.0)])] * 2)
    assert setup.rates == (0.25e-2, 1e-2)
    assert [p.weight for p in setup.opponents["D"].penalties] == [8.0]  # type: ignore[attr-defined]
    assert healed(made.setup) is healed(made.setup, sg.Remedy(), sg.Remedy()) is made.setup


def test_a_member_of_a_stack_goes_back_alone(tmp_path: Path) -> None:
    settings = {"monitor": monitor("rollback"), "lr_g": 1e-3, **FIFTH, **EXACT}
    calm = several(tmp_path / "calm", 3, lambda seed, **more: one(seed, **wide(seed), **more), **settings).fit(32)

    def build(seed: int) -> sg.Trainer:
        callbacks = [Push(20)] if seed == 1 else []
        return one(seed, tmp_path / "pushed" / f"seed-{seed}", callbacks=callbacks, **wide(seed), **settings)

    runs = sg.Seeds(build, 3).fit(32)
    assert [run.iteration for run in runs] == [32] * 3
    for run, expected in zip((runs[0], runs[2]), (calm[0], calm[2]), strict=True):
        assert run.metrics == expected.metrics
    assert (tmp_path / "pushed" / "seed-1" / "interventions.json").exists()
    assert [event for event in runs[1].events if "collapsed" in event]  # what was told in the stack is not forgotten
    torch.testing.assert_close(runs[1].sample(9), calm[1].sample(9), rtol=1e-6, atol=1e-6)


def test_not_finite_is_a_reason_to_go_back(tmp_path: Path) -> None:
    calm = trainer(tmp_path / "calm", monitor=monitor(), **wide(), **FIFTH).fit(32)
    run = pushed(tmp_path / "pushed", "rollback", Push(20, factor=float("inf"))).fit(32)
    assert_same(saved(tmp_path / "pushed")["state"], saved(tmp_path / "calm")["state"])
    assert torch.equal(run.sample(20), calm.sample(20))
    (done,) = json.loads((tmp_path / "pushed" / "interventions.json").read_text())
    assert done["verdict"] == "non_finite"


def test_refusals(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected a folder for checkpoints to roll back to, got out=None"):
        trainer(monitor=monitor("rollback"))
    with pytest.raises(InputError, match="expected a policy of warn, stop, rollback, got 'stopp'"):
        monitor("stopp")
    with pytest.raises(InputError, match="expected a remedy only with policy='rollback'"):
        monitor("stop", remedy=sg.Remedy(lr_d=0.5))
    with pytest.raises(InputError, match="monitor must be a CollapseMonitor"):
        trainer(monitor="on")
    with pytest.raises(InputError, match=r"remedy\.lr_d: expected a number above 0, got 0\.0"):
        sg.Remedy(lr_d=0.0)
    for wrong in ({"penalties": sg.penalties.r1(1.0)}, {"methods": [sg.penalties.r1(1.0)]}):
        with pytest.raises(InputError, match=r"remedy\.(penalties|methods) must be a list of"):
            sg.Remedy(**wrong)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="count must be at most the real batch of"):
        trainer(tmp_path, monitor=monitor("rollback", remedy=sg.Remedy(methods=[sg.methods.FakeAsReal(1000)])))
    for method in (sg.methods.Cramer(), sg.methods.Packing(2)):
        with pytest.raises(InputError, match=f"that any discriminator can take, got {method.name}"):
            sg.Remedy(methods=[method])
    remedy = sg.Remedy(penalties=[sg.penalties.r1(1.0)])
    with pytest.raises(InputError, match="penalty in the remedy that is not on yet, got r1, which is"):
        trainer(tmp_path, monitor=monitor("rollback", remedy=remedy), penalties=[sg.penalties.r1(0.1)])
    pushed(tmp_path, "rollback", Push(20)).fit(32)
    (tmp_path / "interventions.json").write_text("[{]")
    with pytest.raises(InputError, match="is not a readable list of roll-backs"):
        pushed(tmp_path, "rollback", Push(20), resume=True).fit(40)


def test_the_monitors_own_remedy(tmp_path: Path) -> None:
    """What the verdict advises is changed, more at a second roll-back, and done again when the run is resumed."""
    own = sg.Remedy(own=True)
    made = pushed(tmp_path / "a", "rollback", Push(20, times=2), remedy=own)
    run = made.fit(40)
    done = interventions(tmp_path / "a" / "interventions.json")
    assert [each.remedy for each in done] == ["lr_g x 0.2, lr_d x 0.2, r1(weight=1) on", "lr_g x 0.2, lr_d x 0.2"]
    assert made.session.executor.rates == (pytest.approx(4e-4), pytest.approx(4e-4))  # type: ignore[union-attr]
    assert "penalty/r1" in run.metrics[-1]
    pushed(tmp_path / "b", "rollback", Push(20, times=2), remedy=own).fit(32)
    with pytest.raises(InputError, match=r"rolled back with the remedy 'lr_g x 0.2, .*, but now 'none' is given"):
        pushed(tmp_path / "b", "rollback", Push(20, times=0), resume=True).fit(40)
    resumed = pushed(tmp_path / "b", "rollback", Push(20, times=0), remedy=own, resume=True).fit(40)
    assert resumed.metrics == run.metrics
    assert_same(saved(tmp_path / "b")["state"], saved(tmp_path / "a")["state"])
    with pytest.raises(InputError, match="expected own=True alone in a remedy"):
        sg.Remedy(own=True, lr_d=0.5)
