"""The grid of a sweep: settings with the values that they take in turns, and the jobs of every combination."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import product
from math import exp, log, prod
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from ...config import Settings, override
from ...config.values import Text, real, whole
from ...errors import InputError
from ...recipes import RECIPES
from ...runs.settings import KEEPING_KEYS, PLAN_KEYS
from ..job import Job, default_folder, own_data

RANGE = re.compile(r"\s*(lin|log)\((.*)\)\s*")
USUAL, MOST = 1000, 100_000  # runs that nobody is asked about, and that there may be
LONGEST = 150  # characters of a folder's name
PRUNED = "monitor.policy=stop"  # a run that loses what it had gives its place up
NUMBER = real()
NAMELESS = PLAN_KEYS | KEEPING_KEYS  # settings that do not decide what is trained


class Axis(NamedTuple):
    """A setting, and the values that it takes."""

    key: str
    values: tuple[str, ...]


class Grid(NamedTuple):
    """All combinations of some settings; those with one value are the same for all."""

    axes: tuple[Axis, ...]

    @staticmethod
    def of(words: Sequence[str]) -> Grid:
        """From KEY=A,B,C, KEY=lin(FROM,TO,COUNT) or KEY=log(...); raises InputError for anything else."""
        axes: list[Axis] = []
        for word in words:
            key, _, text = word.partition("=")
            key = key.strip()
            if key == "seed":
                raise InputError("seed: expected --seeds K, got seed=...: it trains seeds 0 .. K-1 of each combination")
            if (before := next((axis for axis in axes if _plain(axis.key) == _plain(key)), None)) is not None:
                raise InputError(
                    f"{key}: expected one list of values, got two: write {before.key}={','.join(before.values)},{text}"
                )
            axes.append(Axis(key, spaced(key, text) if RANGE.fullmatch(text) else listed(key, text)))
        return Grid(tuple(axes))

    @property
    def swept(self) -> tuple[str, ...]:
        """The keys that take several values."""
        return tuple(axis.key for axis in self.axes if len(axis.values) > 1)

    def __len__(self) -> int:
        return prod(len(axis.values) for axis in self.axes)

    def combinations(self) -> Iterator[tuple[str, ...]]:
        """Each combination as KEY=VALUE ..."""
        for values in product(*(axis.values for axis in self.axes)):
            yield tuple(f"{axis.key}={value}" for axis, value in zip(self.axes, values, strict=True))

    def root(self) -> Path:
        """Where the runs go by default: a folder named after what is swept."""
        return Path("runs", place(["-".join(filter(None, ("sweep", "+".join(self.swept))))]))


class Runs(NamedTuple):
    """What is trained of each combination."""

    recipes: Sequence[str]
    scale: str
    seeds: int
    iterations: int | None  # None: the recipe's length
    data: Path | None


class Combination(NamedTuple):
    """A recipe with one value of each setting: its runs, a job for each seed."""

    recipe: str
    values: dict[str, str]  # by the keys of the grid
    jobs: list[Job]


def combinations(grid: Grid, runs: Runs, root: Path, yes: bool) -> list[Combination]:
    """Every combination of every recipe, in a folder that its settings name.

    Raises InputError for settings that do not fit, for two combinations that are the same run, and for a great many
    runs that were not confirmed.
    """
    check_count(grid, runs, yes)
    found: list[Combination] = []
    known: dict[str, str] = {}
    for recipe in runs.recipes:
        base = RECIPES[recipe](scale=runs.scale)
        always = [PRUNED] if base.monitor is not None else []
        always += [] if runs.data is None else [f"data.path={own_data(base, runs.data)}"]
        for words in grid.combinations():
            told = " ".join((recipe, *(word for word in words if word.partition("=")[0] in grid.swept)))
            named = [word for word in words if word.partition(".")[0].partition("=")[0] not in NAMELESS]
            folder = default_folder(base, root).parent / place(named)
            try:
                jobs = _jobs(recipe, (*always, *words), runs, folder, told)
            except InputError as error:
                raise InputError(f"{recipe}: {error}{_together(base, grid)}") from None
            for own in (str(jobs[0].folder), jobs[0].settings.to_json()):
                if own in known:
                    raise InputError(
                        f"expected settings that differ, got one run twice, {known[own]} and {told}: drop one"
                    )
                known[own] = told
            found.append(Combination(recipe, dict(word.split("=", 1) for word in words), jobs))
    return found


def _jobs(recipe: str, changes: tuple[str, ...], runs: Runs, folder: Path, told: str) -> list[Job]:
    jobs = []
    for seed in range(runs.seeds):
        settings = override(RECIPES[recipe](seed, runs.scale), changes)
        length = settings.horizon if runs.iterations is None else runs.iterations
        jobs.append(Job(settings, folder / f"seed-{seed}", length, told, changes))
    return jobs


def check_count(grid: Grid, runs: Runs, yes: bool) -> None:
    """Raises InputError for more runs than anybody means, or than were confirmed."""
    count, most = len(grid) * len(runs.recipes) * runs.seeds, MOST if yes else USUAL
    if count > most:
        sizes = [*(len(axis.values) for axis in grid.axes), len(runs.recipes), runs.seeds]
        told = " x ".join(str(size) for size in sizes if size > 1)
        advice = "sweep fewer values" if yes else "add --yes to train them all"
        raise InputError(f"expected at most {most:,} runs, got {count:,} ({told}): {advice}")


def listed(key: str, text: str) -> tuple[str, ...]:
    """Values separated by commas; those inside of brackets belong together: (0.5,0.9),(0,0.99) are two."""
    values, depth, current = [], 0, ""
    for character in f"{text},":
        depth += (character in "([") - (character in ")]")
        if character == "," and depth <= 0:
            values.append(current.strip())
            current = ""
        else:
            current += character
    if "" in values or current:
        raise InputError(f"{key}: expected values separated by commas, got {text!r}: for example {key}=0.01,0.1,1")
    if len({*values}) < len(values):
        raise InputError(f"{key}: expected each value once, got {text!r}: drop the second")
    return tuple(values)


def spaced(key: str, text: str) -> tuple[str, ...]:
    """COUNT values from one end to the other: lin(0,1,5) at equal distances, log(1e-4,1e-2,5) at equal ratios.

    Six digits of each are kept, so that a folder's name tells the whole value.
    """
    found = RANGE.fullmatch(text)
    assert found is not None
    kind, parts = found[1], [part.strip() for part in found[2].split(",")]
    wanted = f"{key}: expected {kind}(FROM,TO,COUNT)"
    try:
        low, high = (NUMBER(Text(part)) for part in parts[:2])
        (count,) = (whole(2, most=MOST)(Text(part)) for part in parts[2:])
    except ValueError:
        raise InputError(f"{wanted} with two numbers and a count of 2 or more, got {text.strip()}") from None
    if kind == "log" and min(low, high) <= 0:
        raise InputError(f"{wanted} with numbers above 0, got {text.strip()}: use lin, or other ends")
    if low == high:
        raise InputError(f"{wanted} with two different ends, got {text.strip()}: an empty range has no values")
    steps = [i / (count - 1) for i in range(count)]
    values = [exp((1 - t) * log(low) + t * log(high)) if kind == "log" else (1 - t) * low + t * high for t in steps]
    return tuple(f"{value:.6g}" for value in values)


def place(words: Sequence[str]) -> str:
    """A folder's name that tells settings, without signs that shells, file systems or commands read in their own way.

    lr_d=0.001 penalty.r1.weight=0.1 -> lr_d-0.001+penalty.r1.weight-0.1. Where signs were lost, or it would be too
    long, a checksum keeps it apart from others.
    """
    told = "+".join(words)
    name = re.sub(r"[()\[\] ]", "", told.replace("=", "-").replace(",", "_"))
    clean = re.sub(r"[^\w.+-]", "_", name)
    if clean == name and len(name) <= LONGEST:
        return name
    return f"{clean[:LONGEST]}-{crc32(told.encode()):08x}"


def _plain(key: str) -> str:
    """A key of the data with or without its prefix."""
    return key.removeprefix("data.")


def _together(base: Settings, grid: Grid) -> str:
    """How to write values that belong together, where a setting takes all of them at once and none alone."""
    for axis in grid.axes:
        text = ",".join(axis.values)
        if len(axis.values) > 1 and _takes(base, axis.key, text) and not _takes(base, axis.key, axis.values[0]):
            return f"; for one value of several numbers write {axis.key}=({text})"
    return ""


def _takes(base: Settings, key: str, value: str) -> bool:
    try:
        override(base, [f"{key}={value}"])
    except InputError:
        return False
    return True
