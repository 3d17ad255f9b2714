"""States: each threshold on both sides, noise that a loss must exceed, one look or several, back again, the average."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from steadygan.diagnostics.states import ALARMS, BEFORE, GOOD, STATES, Course, Thresholds, Track, is_good

T = Thresholds()
EVERY = 200


def look(quality: float, error: float = 0.01, covered: float = 0.9, average: float | None = None, **more: float) -> Any:
    told = {"quality": quality, "quality_error": error, "covered": covered}
    if average is not None:
        told |= {"average_quality": average, "average_quality_error": error}
        told |= {"average_covered": more.pop("average_covered", covered)}
    return told | more


def states(*looks: Any, stuck: int | None = None, end: int | None = None) -> list[str]:
    """The state after each look, every 200 iterations from 0 on; from `stuck` on no player can move."""
    course = Course(T, end)
    return [course.update(EVERY * i, each, stuck is not None and i >= stuck, False) for i, each in enumerate(looks)]


def test_a_run_that_has_just_begun_does_not_stand_still() -> None:
    """Nothing is gained for 2,000 iterations: of 30,000, that is no time."""
    looks = [look(0.01)] * 11
    assert states(*looks)[-1] == "collapsed"
    course = Course(T, length=30_000)
    assert {course.update(EVERY * i, each, False, False) for i, each in enumerate(looks)} == {"learning"}
    assert [course.update(EVERY * i, look(0.01), False, False) for i in range(11, 18)][-1] == "collapsed"


def test_words() -> None:
    assert (*GOOD, *ALARMS) == STATES
    assert [state for state in (*STATES, *BEFORE) if is_good(state)] == ["learning", "good", "healthy", "drifting"]


def test_good_is_entered_at_its_bound_and_left_below_it() -> None:
    """The mean of the last two looks counts."""
    assert states(look(0.749), look(0.749))[-1] == "learning"
    found = states(look(0.7, 0.05), look(0.8, 0.05), look(0.7, 0.05), look(0.61, 0.05), look(0.68, 0.05))
    assert found == ["learning", "good", "good", "good", "learning"]
    few, enough, less = (look(0.9, covered=T.bare + by) for by in (-0.01, 0.01, -0.1))
    assert states(few, few)[-1] == "learning"
    assert states(enough, enough, less)[-1] == "good"


@pytest.mark.parametrize("error", [0.001, 0.04])
def test_a_small_loss_must_hold_and_exceed_part_and_noise(error: float) -> None:
    """While few looks are known, the noise is the standard error."""
    best, needed = 0.9, max(T.part * 0.9, T.sure * error)
    calm = [look(best, error)] * 3
    assert "losing" not in states(*calm, look(best - needed + 1e-6, error), look(best - needed + 1e-6, error))
    below = look(best - needed - 1e-6, error)
    assert "losing" not in states(*calm, below, look(best, error), below)
    assert states(*calm, below, below)[-1] == "losing"


def test_what_usually_goes_up_and_down_is_no_loss() -> None:
    """A figure that goes up and down by 0.3 is not lost when it is 0.3 below its best for two looks."""
    calm = [look(0.9 - 0.3 * (i % 2)) for i in range(10)]
    assert not {*states(*calm, look(0.6), look(0.6))} & {*ALARMS}
    assert states(*[look(0.75)] * 10, look(0.6), look(0.6))[-1] == "losing"


def test_what_was_never_had_is_not_lost() -> None:
    assert not {*states(*[look(0.3)] * 3, look(0.05), look(0.05))} & {*ALARMS}
    assert states(*[look(0.34)] * 3, look(0.05))[-1] == "collapsed"


def test_half_of_it_gone_is_enough_at_one_look() -> None:
    calm = [look(0.9)] * 5
    assert states(*calm, look(0.46))[-1] == "good" or states(*calm, look(0.46))[-1] == "learning"
    assert states(*calm, look(0.44))[-1] == "losing"
    assert states(*calm, look(0.29))[-1] == "collapsed"


def test_a_figure_that_was_never_had_does_not_tell_how_much_of_another_is_lost() -> None:
    """A third of the few reals that were covered are left, and two thirds of the quality."""
    calm = [look(0.9, covered=0.12)] * 5
    assert states(*calm, *[look(0.6, covered=0.04)] * 2)[-1] == "losing"
    assert states(*calm, *[look(0.2, covered=0.12)] * 2)[-1] == "collapsed"


def test_reals_that_are_no_longer_covered_are_a_loss() -> None:
    calm = [look(0.9, covered=0.8)] * 5
    assert states(*calm, look(0.9, covered=0.39))[-1] == "losing"
    part = look(0.9, covered=0.8 * (1 - T.wide * T.part) - 0.001)
    assert states(*calm, part)[-1] == "good"
    assert states(*calm, part, part)[-1] == "losing"


def test_red_is_taken_back_only_by_what_is_there_again() -> None:
    calm, fallen = [look(0.9)] * 5, look(0.6)
    almost = look(0.84)  # within the loss that matters, but not within half of it
    assert states(*calm, fallen, fallen, almost, almost, almost)[-1] == "losing"
    there = look(0.88)
    assert states(*calm, fallen, fallen, there)[-1] == "losing"
    assert states(*calm, fallen, fallen, there, there)[-1] == "good"
    assert states(*calm, look(0.1), look(0.35), look(0.35))[-1] == "collapsed"  # more is needed to be less than that
    assert states(*calm, look(0.1), look(0.5), look(0.5))[-1] == "losing"


def test_the_average_decides_and_the_live_one_is_seen() -> None:
    calm = [look(0.9, average=0.9)] * 6
    assert states(*calm, look(0.9, average=0.4))[-1] == "losing"
    assert states(*calm, look(0.4, average=0.9))[-1] == "good"
    assert states(*calm, look(0.4, average=0.9), look(0.4, average=0.9))[-1] == "losing"  # the average will follow
    small = [look(0.7, average=0.9)] * (2 * T.held - 1)
    assert states(*calm, *small)[-1] == "good"
    assert states(*calm, *small, look(0.7, average=0.9))[-1] == "losing"


def test_a_run_that_stands_still_far_from_the_data() -> None:
    """After 1,000 iterations at least and two fifths of the run; what is gained counts, of quality or of coverage."""
    still = [look(0.5, covered=0.3)] * 40
    found = states(*still)
    first = found.index("stalled")
    assert EVERY * (first - 1) <= EVERY + T.least < EVERY * first
    assert states(*[look(0.2, covered=0.3)] * 40)[-1] == "collapsed"
    slow = [look(min(0.7, 0.02 * i), covered=0.3) for i in range(36)]
    assert not {*states(*slow)} & {*ALARMS}
    wider = [look(0.5, covered=min(0.9, 0.1 * i)) for i in range(10)]
    assert not {*states(*wider)} & {*ALARMS}
    late = [look(0.02 * i, covered=0.3) for i in range(30)]
    course = states(*late, *[look(0.58, covered=0.3)] * 40)
    gained = 30 * EVERY
    first = course.index("stalled") * EVERY
    assert first - gained > T.patience * first - 2 * EVERY


def test_a_run_that_stood_still_goes_on_only_with_a_real_gain() -> None:
    still = [look(0.2, covered=0.3)] * 20
    assert states(*still, *[look(0.28, covered=0.3)] * 6)[-1] == "collapsed"
    assert states(*still, *[look(0.31, covered=0.3)] * 6)[-1] == "learning"
    assert states(*still, *[look(0.8, covered=0.3)] * 6)[-1] == "good"


def test_a_young_run_is_not_stalled_however_often_it_is_looked_at() -> None:
    course = Course(T)
    assert {course.update(10 * i, look(0.1), False, False) for i in range(90)} == {"learning"}


@pytest.mark.parametrize("key", ["quality", "covered"])
def test_a_run_that_will_not_be_good_at_its_end(key: str) -> None:
    """A straight line is read on to the end, from three quarters of it on; a level is the mean of two looks."""
    end, bound = 30 * EVERY, T.good if key == "quality" else T.bare

    def line(at_end: float, upto: int = 31) -> list[Any]:
        rise = [at_end * i / 29.5 for i in range(upto)]
        return [look(value, 0.001) if key == "quality" else look(0.9, 0.001, value) for value in rise]

    spare = 0.01 if key == "quality" else 0.03  # more than the noise
    found = states(*line(bound - spare), end=end)
    assert found.index("stalled") * EVERY == 4600  # the first look after 4,500
    assert "learning" not in found[23:]
    assert "stalled" not in states(*line(bound + 0.01), end=end)
    assert "stalled" not in states(*line(bound - 1e-4), end=end)  # within the noise
    assert "stalled" not in states(*line(bound - spare), end=None)
    assert "stalled" not in states(*line(bound - spare), end=end + 10 * EVERY)
    assert "stalled" not in [Course(T, 800).update(50 * i, each, False, False) for i, each in enumerate(line(0.1, 20))]
    course = Course(T, end)
    for i, each in enumerate(line(bound - spare)):
        course.update(EVERY * i, each, False, False)
    assert course.late
    assert course.entered == 0  # nothing happened to it


def test_who_will_not_be_good_must_be_on_the_way_to_it_to_be_learning_again() -> None:
    end, slow = 30 * EVERY, [look(0.02 * i, 0.04) for i in range(25)]
    assert states(*slow, end=end)[-1] == "stalled"
    almost = [look(0.5 + 0.05 * i, 0.04) for i in range(1, 3)]
    assert states(*slow, *almost, end=end)[-1] == "stalled"
    assert states(*slow, *almost, look(0.8, 0.04), end=end)[-1] == "learning"
    assert states(*slow, *[look(0.9, 0.04)] * 3, end=end)[-1] == "good"


def test_one_side_on_its_way_is_enough_until_the_end() -> None:
    """What is exported is the average: at the end it decides."""
    end = 30 * EVERY
    behind = [look(0.9, 0.001, average=0.9, average_covered=0.02)] * 31
    assert [i for i, state in enumerate(states(*behind, end=end)) if state == "stalled"] == [30]
    worse = [look(0.9, 0.001, average=0.4 + 0.01 * i) for i in range(31)]
    assert [i for i, state in enumerate(states(*worse, end=end)) if state == "stalled"] == [30]
    neither = [look(0.9, 0.001, average=0.9, covered=T.bare + 0.01, average_covered=0.02)] * 31
    assert "stalled" not in states(*neither, end=end)  # what G has is within its noise
    near = [look(0.9, 0.001, average=0.9, average_covered=T.bare - 0.01)] * 31
    assert "stalled" not in states(*near, end=end)


def test_a_line_is_read_on() -> None:
    track = Track(0.1, T)
    for i in range(20):
        track.add(100 * i, 0.1 + 0.02 * i, 0.01)
    assert track.at(3900) == pytest.approx(0.1 + 0.02 * 38.5)
    for i in range(20, 30):  # of the last two fifths: 1,740 to 2,900
        track.add(100 * i, 0.48, 0.01)
    assert track.levels[0][0] == 1700
    assert track.at(3900) == pytest.approx(0.48 + (0.48 - 0.43) / 1200 * 1000)
    falling = Track(0.1, T)
    for i in range(20):
        falling.add(100 * i, 0.9 - 0.02 * i, 0.01)
    assert falling.at(9000) == falling.level


def test_stuck_and_lost() -> None:
    assert states(*[look(0.5)] * 4, stuck=2) == ["learning", "learning", "stalled", "stalled"]
    assert states(*[look(0.9)] * 5, look(0.2), stuck=5)[-1] == "collapsed"  # a loss is graver
    assert states({}, {}, stuck=1) == ["learning", "stalled"]
    course = Course(T)
    assert course.update(0, look(0.9), False, True) == "non_finite"


def test_noise_of_a_track() -> None:
    """The standard error at first, then that of the bends before the last look; a steady rise has none."""
    track = Track(0.1, T)
    for i, value in enumerate((0.5, 0.6, 0.5, 0.6, 0.5, 0.6)):
        track.add(i, value, 0.01)
        assert track.noise == 0.01
    track.add(6, 0.9, 0.01)
    assert track.noise == pytest.approx(0.2 / 1.65)
    assert track.best == pytest.approx(0.75)
    track = Track(0.1, T)
    for i in range(12):
        track.add(i, 0.05 * i, 0.03)
    assert track.noise == pytest.approx(0.01)
    draw = torch.randn(4000, generator=torch.Generator().manual_seed(0)).mul(0.05).tolist()
    found = []
    for start in range(0, 4000, 20):
        track = Track(0.1, T)
        for i, value in enumerate(draw[start : start + 20]):
            track.add(i, 0.5 + value, 0.001)
        found.append(track.noise)
    assert sum(found) / len(found) == pytest.approx(0.05, rel=0.15)
