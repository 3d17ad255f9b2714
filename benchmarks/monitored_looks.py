"""What benchmarks/monitored_runs.py kept of each run: its figures at every look, and what was true of it then.

Figures of fakes are made of those that were kept, with the yardstick as it is now, so that nothing is trained again;
all others are the run's own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from steadygan.config import override
from steadygan.data.build import built
from steadygan.diagnostics import space, yardstick
from steadygan.diagnostics.diagnosis import setting_told
from steadygan.diagnostics.look import PAIRS
from steadygan.diagnostics.remedy import Setting
from steadygan.diagnostics.space import Space
from steadygan.diagnostics.states import Thresholds
from steadygan.diagnostics.verdicts import Judge, Verdict
from steadygan.diagnostics.yardstick import Yardstick
from steadygan.errors import InputError
from steadygan.recipes import RECIPES

LOST, FLOOR, IN_A_ROW = 0.8, 0.5, 2
ENOUGH = 0.1  # share of fakes of high quality whose evenness counts in full
REGROUPED = {"ring8-hinge-sn": "settings"}  # meant as a healthy kind; it ends without a mode
STEADY = ("own/far",)  # without settings to read, and with rates that stay; of all others they fall
KNOWN = ("ring8", "grid25", "digits")  # data whose modes or classes the monitor of a Trainer knows


@dataclass
class Run:
    """One run: its figures at each look, and what is true of it."""

    kind: str
    group: str
    data: str
    seed: int
    setting: Setting
    looks: list[dict[str, float]]
    truth: list[tuple[int, float]]
    fault: int | None
    broke: int | None  # the iteration after which a term was not finite
    failed: bool = False
    lost: int | None = None
    verdicts: list[Verdict] = field(default_factory=list)

    @property
    def failing(self) -> bool:
        """Whether its kind is meant to fail."""
        return self.group != "healthy"

    def judged(self, thresholds: Thresholds) -> list[Verdict]:
        """The verdict at each look."""
        judge = Judge(thresholds, self.setting)
        return [judge.update(look) for look in self.looks]

    def called(self, alarms: Sequence[bool]) -> int | None:
        """The first look that raises an alarm; what is not finite stops the run, and is told."""
        found = (int(look["iteration"]) for look, alarm in zip(self.looks, alarms, strict=True) if alarm)
        return next(found, None if self.broke is None else self.broke + 1)

    def in_time(self, called: int | None) -> bool:
        """Whether it was called before quality was lost, or at the first look after a sudden fault."""
        if called is None:
            return False
        if self.fault is not None:
            first = next((int(k["iteration"]) for k in self.looks if k["iteration"] > self.fault), None)
            if called == first:
                return True
            if called <= self.fault:  # of a run that was well: no merit
                return False
        return self.lost is None or called < self.lost


def loss_of(truth: Sequence[tuple[int, float]]) -> int | None:
    """The iteration at which quality was lost."""
    best, below = 0.0, list[int]()
    for iteration, value in truth:
        below = [*below, iteration] if best >= FLOOR and value < LOST * best else []
        if len(below) == IN_A_ROW:
            return below[0]
        best = max(best, value)
    return None


@cache
def version() -> str:
    """Of what makes figures of fakes."""
    parts = (Path(module.__file__ or "").read_bytes() for module in (yardstick, space))
    return sha256(b"".join(parts)).hexdigest()[:16]


def space_of(about: Mapping[str, Any], shape: tuple[int, ...]) -> Space:
    """That of the kind's data, as the probe of a run has it."""
    if data_of(about) in KNOWN and "loop" not in str(about["recipe"]):
        return Space.of(built(data_of(about)))
    return Space.of_shape(shape)


def figures(folder: Path, about: Mapping[str, Any]) -> list[list[dict[str, float]]]:
    """Of each seed and look: quality of live and averaged fakes; kept beside the runs."""
    path = folder / f"figures-{version()}.json"
    if path.exists():
        return json.loads(path.read_text("utf-8"))  # type: ignore[no-any-return]
    with np.load(folder / "real.npz") as real:
        x = torch.from_numpy(real["x"]).float()
        after = torch.from_numpy(real["after"]).float() if "after" in real else None
        change = int(real["change"]) if after is not None else None
        shape = shape_of(about, x.shape[1])
        known = space_of(about, shape)
    x = x.view(-1, *shape)
    ruler = Yardstick(x[:PAIRS], x[PAIRS : 2 * PAIRS], known)
    later = None if after is None else Yardstick(after[:PAIRS], after[PAIRS : 2 * PAIRS], known_after(known))
    found = []
    for seed in about["seeds"]:
        with np.load(folder / f"seed-{seed}.npz") as kept:
            rows = []
            for i, iteration in enumerate(kept["iteration"]):
                own = ruler if change is None or iteration <= change else later
                assert own is not None
                row = {"iteration": int(iteration)}
                for name, first in (("live", ""), ("average", "average_")):
                    if name in kept:
                        fake = torch.from_numpy(kept[name][i][:PAIRS]).float().view(-1, *shape)
                        made = own.figures(fake)[0] if not first else own.quality(fake)
                        row |= {f"{first}{key}": value for key, value in made.items()}
                if change is not None and own is later and not any("data_changed" in each for each in rows):
                    row["data_changed"] = 1.0
                rows.append(row)
        found.append(rows)
    path.write_text(json.dumps(found), encoding="utf-8")
    return found


def known_after(known: Space) -> Space:
    """The parts of other data are not known."""
    return Space(known.embed)


def shape_of(about: Mapping[str, Any], numbers: int) -> tuple[int, ...]:
    """Of a sample of this many numbers."""
    return {64: (1, 8, 8), 784: (1, 28, 28), 3072: (3, 32, 32)}.get(numbers, (numbers,))


def setting_of(about: Mapping[str, Any], run: Mapping[str, Any]) -> Setting:
    """How a run was trained."""
    level = (run["equilibrium"] or [1.0])[0]
    try:
        settings = override(RECIPES[about["recipe"]](), [f"horizon={about['iterations']}", *about["words"]])
    except InputError:  # a trainer or a loop of the harness's own
        settings = None
    return setting_told(settings, level, None if about["recipe"] in STEADY else about["iterations"])


def read(*records: Path) -> list[Run]:
    """All runs of folders of kinds; how well healthy ones end is told by all of them together."""
    found: list[Run] = []
    for path in (path for folder in records for path in sorted(folder.glob("*/runs.json"))):
        about = json.loads(path.read_text("utf-8"))
        key = "evenness" if about["modes"] else "coverage"
        for run, rows in zip(about["runs"], figures(path.parent, about), strict=True):
            records_of = {int(record["iteration"]): record for record in run["records"] if not record.get("final")}
            renewed = about["change"] is None and any("data_changed" in record for record in run["records"])
            looks = [joined(numbers(records_of.get(int(row["iteration"]), {})), row, renewed) for row in rows]
            truth = run["truth"].get("average", run["truth"]["live"])
            value = truth[key] if about["modes"] is None else counting(truth)
            most = about["real"][-1].get(key, 1.0)
            told = [(i, v / most) for i, v in zip(run["truth"]["iteration"], value, strict=True)]
            last = looks[-1]["iteration"] if looks else 0
            broke = None if run["failure"] is None else int(last)
            setting = setting_of(about, run)
            own = Run(
                about["kind"],
                REGROUPED.get(about["kind"], about["group"]),
                data_of(about),
                run["seed"],
                setting,
                looks,
                told,
                about["fault"],
                broke,
            )
            own.lost = loss_of(told)
            found.append(own)
    ends: dict[str, list[float]] = {}
    for own in found:
        if not own.failing:
            ends.setdefault(own.data, []).append(own.truth[-1][1])
    for own in found:
        usual = median(ends.get(own.data, [1.0]))
        short = own.failing and own.truth[-1][1] < LOST * usual
        own.failed = own.broke is not None or own.lost is not None or short
    return found


def joined(record: Mapping[str, float], row: Mapping[str, float], renewed: bool) -> dict[str, float]:
    """The figures of a look, from its record and its kept fakes; renewed: the run had another yardstick in the end."""
    known = {key: value for key, value in record.items() if renewed or key != "data_changed"}
    return {**row, **known} if renewed else {**known, **row}


def counting(truth: Mapping[str, Sequence[float]]) -> list[float]:
    """Evenness, less where hardly a fake is of high quality: of a handful, evenness is a matter of luck."""
    return [even * min(1.0, share / ENOUGH) for even, share in zip(truth["evenness"], truth["quality"], strict=True)]


def numbers(record: Mapping[str, Any]) -> dict[str, float]:
    """Those of a record; what an earlier monitor thought of it is left out."""
    return {key: value for key, value in record.items() if isinstance(value, int | float)}


def data_of(about: Mapping[str, Any]) -> str:
    """ring8, of ring8/far."""
    return str(about["recipe"]).split("/")[0]
