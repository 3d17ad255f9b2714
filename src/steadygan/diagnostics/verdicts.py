"""From the figures of a run's looks, or of a single look, to a verdict in plain words: pure functions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from ..display.card import Card
from ..quantities import plain, tone, words
from .causes import CAUSES, OUT, Cause, Figures, Past
from .remedy import FIFTH, Change, Setting, slower
from .states import ALARMS, Course, Thresholds

QUIET = 5  # looks without a gain after which a cause is worth a warning
NAMED = 2  # causes that a verdict tells
SCALE = "1 is as good as real data"
LONGER = "a longer horizon, wider networks, or other rates"


class Verdict(NamedTuple):
    """The verdict on a run: its state, the iteration at which it or its warning began, why, and what helps.

    causes: names of the causes seen, the most serious first; without a measured loss they are a warning. evidence: the
    figures that show them. advice: settings and values other than those of the run. slow: nothing went wrong, and the
    same settings would end in the same way. discriminator: one sentence on whether D is all right.
    """

    state: str
    reason: str = ""
    evidence: Mapping[str, float] = {}
    since: int = 0
    advice: str = ""
    causes: tuple[str, ...] = ()
    change: Change = Change()
    slow: bool = False
    discriminator: str = ""

    @property
    def alarm(self) -> bool:
        """Whether quality is lost or out of reach; policies act on this."""
        return self.state in ALARMS

    @property
    def warning(self) -> bool:
        """Whether a cause of failure is seen, but no loss."""
        return bool(self.causes) and not self.alarm

    def _card(self) -> Card:
        rows = [(key, plain(value)) for key, value in self.evidence.items()]
        advice = "" if self.reason.endswith(self.advice) else f"what helps: {self.advice}"
        said = words(self.state, " ".join(self.causes))
        since = f"{said}, since iteration {self.since:,}" if self.since else said
        lines = [since, self.reason, advice, "" if self.alarm else self.discriminator]
        return Card("Verdict", lines, rows and [("evidence", ""), *rows], tone=tone(self.state, " ".join(self.causes)))

    def __repr__(self) -> str:
        return self._card().text()

    def _repr_html_(self) -> str:
        return self._card().html()

    def record(self) -> dict[str, str]:
        """Its entries for a record; the reason only if there is one."""
        causes = {"causes": " ".join(self.causes)} if self.causes else {}
        return {"verdict": self.state, **causes, **({"reason": self.reason} if self.reason else {})}

    @property
    def told(self) -> str:
        """The verdict and its reason, in one line."""
        name = self.state.replace("_", " ")
        return f"{name}: {self.reason}" if self.reason else name


@dataclass
class Judge:
    """Reads records one by one; `update` returns the verdict so far.

    A figure that a record lacks, or that is NaN, shows nothing. setting: how the run is trained.
    """

    thresholds: Thresholds = field(default_factory=Thresholds)
    setting: Setting = field(default_factory=Setting)
    verdict: Verdict = field(default_factory=lambda: Verdict("learning"))

    def __post_init__(self) -> None:
        self.course, self.past = self._begun(), Past()
        self._shown, self._began = [0] * len(CAUSES), [0] * len(CAUSES)

    def _begun(self) -> Course:
        return Course(self.thresholds, self.setting.end, self.setting.length)

    def anew(self, records: Iterable[Figures] = ()) -> Judge:
        """A new judge that has seen only these records."""
        judge = Judge(self.thresholds, self.setting)
        for record in records:
            judge.update(record)
        return judge

    def startled(self, losses: Figures) -> bool:
        """Whether one iteration's losses (`d_loss`, `g_loss`) are so unusual that a look is due at once."""
        known = ((value, self.past.usual(key)) for key, value in losses.items())
        return any(usual is not None and abs(value - usual[0]) > OUT * usual[1] for value, usual in known)

    def update(self, record: Figures) -> Verdict:
        """Adds a record; one without a look leaves the verdict as it was."""
        record = {key: value for key, value in record.items() if isinstance(value, str) or not math.isnan(value)}
        if "quality" not in record and "d_gradient_mean" not in record and not record.get("non_finite"):
            return self.verdict
        iteration = int(record.get("iteration", self.past.looks))
        if record.get("data_changed"):
            self.course = self._begun()
        shown = [i for i, cause in enumerate(CAUSES) if self._seen(i, cause, record, iteration) >= cause.looks]
        blamed = [CAUSES[i] for i in shown if CAUSES[i].of_d]
        stuck, lost = any(CAUSES[i].stuck for i in shown), bool(record.get("non_finite"))
        state = self.course.update(iteration, record, stuck, lost)
        self.past.add(record)
        side = self.course.told
        worth = state in ALARMS or side.quality.fell > 0 or (state == "learning" and self._quiet(iteration))
        shown = [i for i in shown if worth or CAUSES[i].always]
        since = self._began[shown[0]] if shown and state not in ALARMS else self.course.entered
        found = verdict_of(state, [CAUSES[i] for i in shown], record, self.setting, since, self.course)
        same = state == self.verdict.state and found.causes == self.verdict.causes and not found.alarm
        found = self.verdict if same else found
        self.verdict = found._replace(discriminator=about_d(blamed, record, found.alarm))
        return self.verdict

    def _quiet(self, iteration: int) -> bool:
        """Whether nothing was gained for so long that what is seen of the mechanism is worth a warning."""
        sides = (self.course.told, self.course.live)  # an average that is yet to follow is no news
        least = self.thresholds.least // 2
        return all(side.since >= QUIET and iteration - side.gained >= least for side in sides)

    def _seen(self, i: int, cause: Cause, record: Figures, iteration: int) -> int:
        """For how many looks in a row a cause is shown by now."""
        self._shown[i] = self._shown[i] + 1 if cause.shows(record, self.past, self.setting) else 0
        self._began[i] = iteration if self._shown[i] == 1 else self._began[i]
        return self._shown[i]


def verdict_of(
    state: str, shown: list[Cause], figures: Figures, setting: Setting, since: int, course: Course | None = None
) -> Verdict:
    """The verdict in words: what was measured, then why, then what to do."""
    told, evidence = measured(state, figures, course)
    names: dict[str, Cause] = {}
    for cause in shown:
        names.setdefault(cause.name, cause)
    first = list(names.values())[:NAMED]
    if not first and state not in ALARMS:
        return Verdict(state, since=since)
    for cause in first:
        evidence |= cause.evidence(figures)
    iteration = int(figures.get("iteration", since))
    when = f" (since iteration {since:,})" if since < iteration else f" (at iteration {iteration:,})" * bool(iteration)
    change = change_for(state, first, setting, course)
    words = ", ".join(change.words(setting))
    slow = course is not None and course.late
    advice = "; ".join(dict.fromkeys(filter(None, [words, *(cause.advice for cause in first)])))
    advice = advice or (LONGER if slow else "")
    reason = "; ".join(filter(None, [told, *(cause.told(figures) for cause in first)])) + when
    reason += f": {advice}" if advice else ""
    return Verdict(state, reason, evidence, since, advice, tuple(names), change, slow)


def about_d(causes: list[Cause], figures: Figures, alarm: bool) -> str:
    """Whether D is all right, in one sentence; "" where nothing is known of it."""
    if causes:
        return f"D is not all right: {causes[0].told(figures)}" + ("" if alarm else "; nothing is lost so far")
    if "separation" not in figures:
        return ""
    apart = figures["separation"]
    where = "above" if apart >= 0.0 else "below"
    told = f"D is all right: its logits of reals lie {abs(apart):.2g} deviations {where} those of fakes"
    heads = [float(value) for key, value in figures.items() if key.startswith("separation/")]
    told += f" ({min(heads):.2g} to {max(heads):.2g} in its heads)" if heads else ""
    if "adv_share" in figures:
        told += f", and the adversarial term has {figures['adv_share']:.0%} of G's gradient"
    return told


def change_for(state: str, causes: list[Cause], setting: Setting, course: Course | None) -> Change:
    """The change for the most serious cause that a setting can fix; lower rates for an alarm without one.

    A run that never reached a quality worth losing gets lower rates, too.
    """
    change = next((found for cause in causes if (found := cause.change(setting)) != Change()), Change())
    if state not in ALARMS or any(cause.stuck for cause in causes) or (course is not None and course.late):
        return change
    if change == Change():
        return slower(setting)
    never = course is not None and course.told.quality.best < course.t.little
    if never and change.penalty_weights >= 1.0:
        return change._replace(lr_g=min(change.lr_g, FIFTH), lr_d=min(change.lr_d, FIFTH))
    return change


def measured(state: str, figures: Figures, course: Course | None) -> tuple[str, dict[str, float]]:
    """The reason for an alarm in words, and its figures."""
    if state == "non_finite":
        count = figures.get("non_finite", 0.0)
        return f"{count:.0f} values of logits, samples or gradients are not finite", {"non_finite": float(count)}
    if state not in ALARMS or course is None or "quality" not in figures:
        return "", {}
    side = course.told
    whose = "fakes" if course.average is None else "the average's fakes"
    if course.late:
        first = "" if course.average is None else "average_"
        quality, covered = side.quality.now, side.covered.now
        told = f"{whose} have a quality of {quality:.2g} ({SCALE}) and cover {covered:.0%} of what they should"
        told += f"; at this pace they will not be good when the rates are down, at iteration {course.end:,}"
        return told, {f"{first}quality": quality, f"{first}covered": covered}
    if state == "stalled" or not side.quality.best or course.stood is not None:
        key = "quality" if course.average is None else "average_quality"
        return f"{whose} stay at a quality of {side.quality.now:.2g} ({SCALE})", {key: side.quality.now}
    track, first = side.worst, "" if course.average is None else "average_"
    if not side.lost and not course.live.quality.fell:  # until it has held for some looks
        own = side.quality
        told = f"what was lost is coming back: {whose} have a quality of {own.now:.2g} after {own.best:.2g} ({SCALE})"
        return told, {f"{first}quality": own.now}
    if not side.lost and course.live.quality.fell:
        track, whose, first = course.live.quality, "fakes", ""
    if track is side.covered:
        told = f"{whose} cover {track.now:.0%} of what they should, after {track.best:.0%}"
        return told, {f"{first}covered": track.now}
    told = f"{whose} have a quality of {track.now:.2g} after {track.best:.2g} ({SCALE})"
    return told, {f"{first}quality": track.now}


def judge(
    records: Iterable[Figures], setting: Setting | None = None, thresholds: Thresholds | None = None
) -> list[Verdict]:
    """The verdict after each of a run's records."""
    own = Judge(thresholds or Thresholds(), setting or Setting())
    return [own.update(record) for record in records]


def judge_once(figures: Figures, setting: Setting | None = None, thresholds: Thresholds | None = None) -> Verdict:
    """The verdict of one look: whether fakes are good or nearly all is lost, and the causes that need no history."""
    t, own, past = thresholds or Thresholds(), setting or Setting(), Past(looks=1)
    shown = [cause for cause in CAUSES if cause.lone and cause.shows(figures, past, own)]
    quality = figures.get("quality")
    if figures.get("non_finite"):
        state = "non_finite"
    elif any(cause.stuck for cause in shown):
        state = "stalled"
    elif quality is not None and quality >= t.good:
        state = "good"
    elif quality is not None and quality < t.little and any(cause.name == "fakes_alike" for cause in shown):
        state = "collapsed"
    else:
        state = "learning"
    found = verdict_of(state, [c for c in shown if state != "good" or c.always], figures, own, 0)
    return found._replace(discriminator=about_d([c for c in shown if c.of_d], figures, found.alarm))
