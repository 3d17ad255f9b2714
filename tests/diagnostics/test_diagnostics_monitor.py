"""The monitor in a loop of one's own: when it looks, what it calls good and bad, what its figures are made of."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import steadygan as sg
from known import F64, Constant, normal, seeded, tensor
from steadygan.diagnostics.states import GOOD
from steadygan.diagnostics.verdicts import Verdict
from steadygan.errors import InputError
from steadygan.types import Batch


def mlp(seed: int = 0) -> nn.Module:
    return seeded(seed, lambda: nn.Sequential(nn.Linear(2, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1)))


def watched(
    fakes: Callable[[int], Tensor], looks: int = 8, every: int = 4, D: Any = None, loss: Any = None, **given: Any
) -> tuple[sg.CollapseMonitor, list[Verdict | None]]:
    """`looks` looks at steps with standard normal reals, these fakes, and a D that moves unless one is given."""
    monitor, told = sg.CollapseMonitor(every, loss=loss), []
    for i in range(looks * every):
        judge = mlp(i) if D is None else D
        at = {key: value(i + 1) if callable(value) else value for key, value in given.items()}
        told.append(monitor.observe(D=judge, real=normal(2 * i, 64, 2), fake=fakes(i), **at))
    return monitor, told


def good(i: int) -> Tensor:
    return normal(2 * i + 1, 64, 2)


def test_looks_every_so_many_calls() -> None:
    monitor, told = watched(good, looks=3, every=5)
    assert [i for i, verdict in enumerate(told, 1) if verdict is not None] == [5, 10, 15]
    assert [record["iteration"] for record in monitor.records] == [5, 10, 15]
    assert monitor.calls == 15
    assert monitor.verdict is told[-1]
    numbered = sg.CollapseMonitor(1)
    numbered.observe(D=mlp(), real=normal(0, 64, 2), fake=normal(1, 64, 2), iteration=7_000)
    assert numbered.records[0]["iteration"] == 7_000


def states(told: list[Verdict | None]) -> list[str]:
    return [verdict.state for verdict in told if verdict is not None]


def test_fakes_as_reals_are_learning_then_good() -> None:
    """From the second look on: the mean of two in a row counts."""
    monitor, told = watched(good)
    assert states(told) == ["learning"] + ["good"] * 7
    assert not any(verdict.alarm or verdict.warning for verdict in told if verdict is not None)
    assert all(record["quality"] > 0.95 for record in monitor.records)
    assert abs(monitor.records[-1]["batch_distance"]) < 0.02
    assert monitor.records[-1]["diversity"] == pytest.approx(1.0, abs=0.15)


def test_records_are_small_and_one_per_look() -> None:
    monitor, _ = watched(good, looks=6)
    assert len(monitor.records) == 6
    for record in monitor.records:
        assert all(isinstance(value, int | float | str) for value in record.values())
        assert len(record) < 50


def point(where: float) -> Callable[[int], Tensor]:
    return lambda i: 0.05 * good(i) + where


@pytest.mark.parametrize("where", [0.0, 2.0])
def test_all_fakes_in_one_place_after_good_ones_have_collapsed(where: float) -> None:
    """At the first look at them; the looks before stay what they were."""
    monitor, told = watched(lambda i: good(i) if i < 16 else point(where)(i))
    assert states(told) == ["learning", *["good"] * 3, *["collapsed"] * 4]
    last = told[-1]
    assert last is not None
    assert last.alarm
    assert not last.warning
    assert last.since == 20
    assert last.evidence["quality"] == monitor.records[-1]["quality"] < 0.1
    assert "fakes_alike" in last.causes
    assert last.evidence["diversity"] == pytest.approx(0.05, abs=0.01)
    assert "since iteration 20" in last.reason
    assert {key: monitor.records[-1][key] for key in ("verdict", "causes", "reason")} == last.record()


def test_what_never_was_better_is_no_loss_but_a_warning() -> None:
    """The cause is told once nothing was gained for 500 iterations."""
    _, told = watched(point(0.0), iteration=lambda call: 25 * call)
    assert {*states(told)} == {"learning"}
    first, last = told[3], told[-1]
    assert first is not None
    assert last is not None
    assert (first.causes, first.warning) == ((), False)
    assert (last.warning, last.alarm) == (True, False)
    warned = [verdict.warning for verdict in told[3::4] if verdict is not None]
    assert warned == sorted(warned)
    assert not any(warned[:5])  # 500 iterations
    assert "fakes_alike" in last.causes
    assert last.evidence["diversity"] == pytest.approx(0.05, abs=0.01)


@pytest.mark.parametrize(("fakes", "state"), [(point(0.0), "collapsed"), (lambda i: 0.5 * good(i), "stalled")])
def test_what_stands_still_for_long_is_an_alarm(fakes: Callable[[int], Tensor], state: str) -> None:
    """1,000 iterations and 40 % of all without a gain: collapsed where less than a third of the data is served."""
    monitor, told = watched(fakes, looks=12, iteration=lambda call: 50 * call)
    found = states(told)
    at = [record["iteration"] for record in monitor.records]
    assert {found[i] for i in range(len(at)) if at[i] <= 1000} == {"learning"}
    assert found[-1] == state
    assert told[-1] is not None
    assert told[-1].since <= at[-1] - 1000


@pytest.mark.parametrize(("steepness", "told"), [(9.0, False), (11.0, True)])
def test_a_steep_discriminator_is_a_cause(steepness: float, told: bool) -> None:
    """In logits over the mean distance of two normal samples, sqrt(pi), for a loss whose logits have a unit.

    D is steep at the fakes alone, so that its outputs for reals do not explain it.
    """
    slope = steepness / math.sqrt(math.pi)
    loss = sg.losses.NonSaturating()
    monitor, found = watched(point(2.0), D=lambda x: slope * (x[:, 0] - 1.9).clamp(min=0.0), loss=loss)
    assert monitor.records[-1]["steepness"] == pytest.approx(steepness, rel=0.1)
    assert found[-1] is not None
    assert ("explodes" in found[-1].discriminator) == told


def test_weights_that_never_move_are_an_alarm() -> None:
    """At the third look: two in a row at which they are those of the look before, whatever the fakes are like."""
    _, told = watched(good, looks=3, D=mlp())
    assert states(told) == ["learning", "good", "stalled"]
    assert told[-1] is not None
    assert told[-1].causes == ("d_still",)


def dead() -> nn.Module:
    """No unit varies, whatever comes in."""
    network = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 1)).double()
    nn.init.constant_(network[0].bias, -1e6)  # type: ignore[arg-type]
    return network


@pytest.mark.parametrize("D", [Constant(0.3), dead()])
def test_a_discriminator_that_says_the_same_of_all_is_dead(D: nn.Module) -> None:
    _, told = watched(good, looks=1, D=D)
    assert told[-1] is not None
    assert (told[-1].state, told[-1].causes) == ("stalled", ("d_dead",))


def spoilt(x: Tensor, value: float) -> Tensor:
    x = x.clone()
    x[0] = value
    return x


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("what", ["fake", "real", "first", "logits", "weights", "loss", "held_out"])
def test_what_is_not_finite_is_a_verdict_and_no_error(what: str, value: float) -> None:
    monitor, D = sg.CollapseMonitor(2), mlp()
    given: dict[str, Any] = {"D": D, "real": normal(0, 64, 2), "fake": normal(1, 64, 2)}
    if what == "first":  # real samples of which the yardstick is made
        monitor.observe(**given | {"real": spoilt(given["real"], value)})
    else:
        monitor.observe(**given)
    if what in ("fake", "real"):
        given[what] = spoilt(given[what], value)
    elif what == "logits":
        given["fake_logits"] = spoilt(torch.zeros(64), value)
    elif what == "loss":
        given["g_loss"] = value
    elif what == "held_out":
        given[what] = spoilt(normal(2, 64, 2), value)
    elif what == "weights":
        with torch.no_grad():
            next(D.parameters()).fill_(value)
    verdict = monitor.observe(**given)
    assert verdict is not None
    assert verdict.state == ("learning" if what in ("first", "held_out") else "non_finite")
    monitor.observe(**given)
    assert monitor.observe(**given) is not None


def test_all_samples_not_finite_from_the_first_call_on() -> None:
    nothing = torch.full((64, 2), math.nan, dtype=F64)
    verdict = sg.CollapseMonitor(1).observe(D=mlp(), real=nothing, fake=nothing, d_loss=math.nan)
    assert verdict is not None
    assert verdict.state == "non_finite"
    assert "257 values" in verdict.reason


def sizes(rule: Callable[[int], int]) -> Iterator[tuple[Tensor, Tensor]]:
    for i in range(120):
        yield normal(2 * i, rule(i), 2), normal(2 * i + 1, rule(i + 1), 2)


@pytest.mark.parametrize(
    ("rule", "every", "looks"),
    [
        (lambda _: 1, 20, 6),
        (lambda _: 1, 1, 117),  # the first with four real samples
        (lambda i: 1 + i % 7, 10, 12),
        (lambda i: 64 if i % 10 < 9 else 5, 10, 12),  # the last batch of an epoch
        (lambda _: 300, 40, 3),
    ],
)
def test_batches_of_any_size(rule: Callable[[int], int], every: int, looks: int) -> None:
    monitor = sg.CollapseMonitor(every)
    for i, (x, y) in enumerate(sizes(rule)):
        monitor.observe(D=mlp(i), real=x, fake=y, real_logits=torch.zeros(len(x)), held_out=x[:1])
    assert len(monitor.records) == looks
    assert "batch_distance" in monitor.records[-1]
    assert {record["verdict"] for record in monitor.records[-2:]} <= {*GOOD}


def test_a_plain_function_as_discriminator() -> None:
    D = mlp()
    monitor, told = watched(good, looks=2, D=lambda x: D(x))
    other, expected = watched(good, looks=2, D=D)
    assert told == expected
    shared = monitor.records[-1].keys() & other.records[-1].keys()
    alone = {"feature_diversity", "weight_norm_d"}  # nothing is known of its inside
    assert other.records[-1].keys() - shared == alone
    assert all(monitor.records[-1][key] == other.records[-1][key] for key in shared)


class Told(nn.Module):
    """d = x.w + a shift by class."""

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        return x @ tensor([1.0, 0.5]).to(x) + 100.0 * label


REAL, FAKE = normal(0, 8, 2), normal(1, 8, 2)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"real": normal(0, 8)}, r"expected real samples (n >= 1, *shape), got (8,): "),
        ({"real": REAL[:0]}, "expected real samples (n >= 1, *shape), got (0, 2): "),
        ({"fake": normal(0, 8, 3)}, "expected fake samples (n >= 1, 2), got (8, 3): "),
        ({"fake": normal(0, 8, 2, 1)}, "expected fake samples (n >= 1, 2), got (8, 2, 1): "),
        ({"held_out": normal(0, 8, 1)}, "expected held-out samples (n >= 1, 2), got (8, 1): "),
        ({"real_logits": torch.zeros(7)}, "expected one real logit per sample, 8, got (7,): "),
        ({"fake_logits": torch.zeros(8, 1, 2)}, "expected one fake logit per sample, 8, got (8, 1, 2): "),
        ({"d_loss": torch.zeros(8)}, "expected d_loss as one number, got (8,): pass its mean"),
        ({"fake": Batch(FAKE, torch.zeros(3))}, "expected one label per fake sample, 8, got (3,): "),
        ({"D": Told()}, "with samples as Batch(x, label), got one with a missing a required argument: 'label'"),
        ({"D": lambda x, y: x + y}, "expected a D to be called as D(x), or as D(x, label=...)"),
        ({"D": nn.Bilinear(2, 2, 1)}, "got one with a missing a required argument: 'input2'"),
        ({"D": nn.Linear(3, 1)}, "D cannot take samples of shape (2,): "),
        ({"D": None}, "expected D as a module or a function of x, got NoneType: pass the discriminator"),
        ({"real": [[1.0, 2.0]]}, "expected real samples as a tensor of floats, got list: convert them"),
        ({"fake": FAKE.long()}, "expected fake samples as a tensor of floats, got torch.int64: convert them"),
        ({"g_loss": "low"}, "expected g_loss as one number, got str: pass its mean"),
        ({"G": 3}, "expected G as a torch.nn.Module, got int: pass the generator"),
        ({"iteration": -1}, "iteration must be a whole number of 0 or more, not -1"),
        ({"D": lambda x: x.T}, "the discriminator must return logits of each sample, shape (8,), (8, 1) or a map (8"),
    ],
)
def test_what_does_not_fit_is_one_line(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as refused:
        sg.CollapseMonitor(1).observe(**{"D": mlp(), "real": REAL, "fake": FAKE, **given})
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_counts_below_one_are_refused() -> None:
    with pytest.raises(InputError, match="every must be a whole number of 1 or more, not 0"):
        sg.CollapseMonitor(every=0)
    with pytest.raises(InputError, match="horizon must be a whole number of 1 or more, not 0"):
        sg.CollapseMonitor(horizon=0)
    monitor = sg.CollapseMonitor(horizon=700)
    assert (monitor._judge.setting.end, monitor._judge.anew().course.end) == (700, 700)
    with pytest.raises(InputError, match="times must be a whole number of 1 or more, not 0"):
        sg.CollapseMonitor(policy="rollback", times=0)
    for wrong in ({"loss": 3}, {"thresholds": 3}, {"policy": "rollback", "remedy": "softer"}):
        with pytest.raises(InputError, match=r"expected (loss|thresholds|remedy) as a (Loss|Thresholds|Remedy)"):
            sg.CollapseMonitor(**wrong)  # type: ignore[arg-type]


def test_another_shape_later_on_wants_another_monitor() -> None:
    monitor = sg.CollapseMonitor(2)
    monitor.observe(D=mlp(), real=REAL, fake=FAKE)
    with pytest.raises(InputError, match=r"real samples \(n >= 1, 2\), got \(8, 4\): .* another monitor"):
        monitor.observe(D=mlp(), real=normal(0, 8, 4), fake=normal(1, 8, 4))
