"""What is the matter with a run, read from its folder; one made before there were verdicts is judged anew."""

from __future__ import annotations

from math import isfinite
from pathlib import Path

from ..errors import InputError
from ..metrics.summary import GRADIENTS, final_and_best
from ..runs.folder import RunFolder
from ..runs.history import RunHistory, history
from ..runs.records import Turn, turns
from .diagnosis import Diagnosis, calm
from .verdicts import GOOD, Verdict, judge


def of_run(folder: Path) -> Diagnosis:
    """The diagnosis of the run in `folder`; raises InputError where no record can be read, or none holds a look."""
    run = history(folder)
    rows = [{key: value for key, value in row.items() if isfinite(value)} for row in run.rows]
    looks = [row for row in rows if "d_gradient_mean" in row or "batch_distance" in row]
    if not looks:
        records = f"{len(rows):,} record{'s' * (len(rows) != 1)}"
        raise InputError(
            f"expected a look at the networks in '{RunFolder(folder).metrics}', got {records} without one: train it "
            "with the monitor on"
        )
    last, notes = looks[-1], list(run.notes)
    level = run.equilibrium[0]
    judged = judge(rows, free=level is None or level == 0.0)
    told = run.verdicts
    if not told:
        notes.append("made before there were verdicts: judged anew from its records")
        told = [Turn(int(row["iteration"]), each.verdict, each.reason) for row, each in zip(rows, judged, strict=True)]
    changes = turns(told)
    found = _now(told[-1], changes[-1], judged[-1])
    return Diagnosis(
        verdict=found.verdict,
        reason=found.reason or (calm(found.verdict, last) if found.verdict in GOOD else ""),
        evidence=found.evidence,
        advice=found.advice,
        figures={key: value for key, value in last.items() if key != "iteration"},
        what=str(folder),
        iteration=int(last["iteration"]),
        since=found.since,
        first={key: value for key, value in looks[0].items() if key != "iteration"} if len(looks) > 1 else {},
        history=tuple(changes),
        interventions=run.interventions,
        metrics=tuple(row for row in final_and_best(rows) if row.key not in GRADIENTS),
        reference=run.reference,
        modes=None if run.settings is None else run.settings.data.modes,
        notes=(*notes, *_behind(run, int(last["iteration"]))),
    )


def _now(told: Turn, turn: Turn, judged: Verdict) -> Verdict:
    """The last verdict with its evidence, which is worked out anew: records hold none."""
    if judged.verdict == told.verdict:
        since = judged.since if judged.alarm else turn.iteration
        return judged._replace(reason=told.reason or judged.reason, since=since)
    advice = told.reason.rpartition("): ")[2] if "): " in told.reason else ""
    return Verdict(told.verdict, told.reason, since=turn.iteration, advice=advice)


def _behind(run: RunHistory, look: int) -> list[str]:
    last = run.last
    return [f"the last look was at iteration {look:,} of {last:,}"] if last > look else []
