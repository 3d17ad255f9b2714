"""What is the matter with a run, read from its folder; one made before there were verdicts is judged anew."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..metrics.summary import GRADIENTS, final_and_best
from ..reporting.folders import METRICS
from ..reporting.gather import Gathered, gather
from .diagnosis import Diagnosis, Turn, calm
from .verdicts import GOOD, Verdict, judge

INTERVENTIONS = "interventions.json"


def of_run(folder: Path) -> Diagnosis:
    """The diagnosis of the run in `folder`; raises InputError where no record can be read, or none holds a look."""
    run = gather(folder)
    rows = [{key: value for key, value in row.items() if isfinite(value)} for row in run.records.rows]
    looks = [row for row in rows if "d_gradient_mean" in row or "batch_distance" in row]
    if not looks:
        records = f"{len(rows):,} record{'s' * (len(rows) != 1)}"
        raise InputError(
            f"expected a look at the networks in '{folder / METRICS}', got {records} without one: train it with the "
            "monitor on"
        )
    last, notes = looks[-1], list(run.notes)
    level = run.kept.equilibrium[0]
    judged = judge(rows, free=level is None or level == 0.0)
    told = [Turn(*each) for each in run.records.verdicts]
    if not told:
        notes.append("made before there were verdicts: judged anew from its records")
        told = [Turn(int(row["iteration"]), each.verdict, each.reason) for row, each in zip(rows, judged, strict=True)]
    history = _turns(told)
    found = _now(told[-1], history[-1], judged[-1])
    done, damaged = _interventions(folder / INTERVENTIONS)
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
        history=history,
        interventions=done,
        metrics=tuple(row for row in final_and_best(rows) if row.key not in GRADIENTS),
        reference=run.kept.reference,
        modes=None if run.settings is None else run.settings.data.modes,
        notes=(*notes, *damaged, *_behind(run, int(last["iteration"]))),
    )


def _now(told: Turn, turn: Turn, judged: Verdict) -> Verdict:
    """The last verdict with its evidence, which is worked out anew: records hold none."""
    if judged.verdict == told.verdict:
        since = judged.since if judged.alarm else turn.iteration
        return judged._replace(reason=told.reason or judged.reason, since=since)
    advice = told.reason.rpartition("): ")[2] if "): " in told.reason else ""
    return Verdict(told.verdict, told.reason, since=turn.iteration, advice=advice)


def _turns(told: Sequence[Turn]) -> tuple[Turn, ...]:
    return tuple(turn for i, turn in enumerate(told) if i == 0 or turn.verdict != told[i - 1].verdict)


def _behind(run: Gathered, look: int) -> list[str]:
    last = run.records.last
    return [f"the last look was at iteration {look:,} of {last:,}"] if last > look else []


def _interventions(path: Path) -> tuple[tuple[Mapping[str, Any], ...], list[str]]:
    """The roll-backs of a run, and a word where they cannot be read."""
    if not path.is_file():
        return (), []
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        found = tuple({**each, "iteration": int(each["iteration"]), "to": int(each["to"])} for each in content)
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        return (), [f"{path.name} cannot be read ({type(error).__name__}): roll-backs are left out"]
    return found, []
