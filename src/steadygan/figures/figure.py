"""A paper's figure: the runs that it shows, what is drawn of them, and what the paper says that it shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from ..config import Settings
from ..errors import unknown
from ..recipes import RECIPES

# Milliseconds of an iteration by `cost_key` on one core of two, from benchmarks/figure_costs.py.
COSTS = {
    (False, "mlp", 64, 20, 1): 2.1,
    (False, "mlp", 64, 64, 1): 3.6,
    (False, "mlp", 512, 128, 1): 19.0,
    (True, "mlp", 512, 128, 1): 80.0,
    (True, "dcgan", 16, 64, 1): 120.0,
    (True, "sngan32_cnn", 16, 64, 1): 240.0,
    (True, "sngan32_cnn", 16, 64, 5): 1500.0,
    (True, "resnet32", 16, 64, 1): 830.0,
    (True, "conventional32", 16, 64, 1): 880.0,
    (True, "sngan32", 64, 64, 5): 3200.0,
    (True, "dual", 16, 64, 1): 850.0,
    (True, "dual", 16, 64, 2): 920.0,
    (True, "dual", 16, 64, 5): 2200.0,
}


class Group(NamedTuple):
    """Runs that are drawn together under a title: (recipe, label) of each, the seeds of a recipe as one."""

    title: str
    lines: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Clouds:
    """Generated points over real ones, and over D's surface, at these iterations of the full length; of seed 0.

    One line of panels for one recipe; for several, a column each, and a line for each iteration. With `arrows`, they
    are grad log sigmoid(d) on a grid, the direction in which D asks fakes to move, in place of its surface.
    """

    at: tuple[int, ...]
    arrows: bool = False


@dataclass(frozen=True)
class Curves:
    """Figures of the records over iterations, a panel for each group and key: the mean of the seeds and their
    deviation.

    Of several keys joined by |, the first that was measured is drawn.
    """

    keys: tuple[str, ...]


@dataclass(frozen=True)
class Final:
    """What the runs end with, a bar for each: mean and deviation over seeds, beside what was published."""

    key: str


@dataclass(frozen=True)
class Grids:
    """The last images of seed 0 of each run, side by side."""


@dataclass(frozen=True)
class Surfaces:
    """D(v) = sigmoid(d(v)) on [low, high]^2 at the end, a panel for each recipe, over what seed 0 was trained on.

    The last panel is the best D of the two densities; every other one says how far it is from that, over seeds: in the
    mean of |D - D*| over the square, and over samples as the runs recorded it.
    """

    low: float
    high: float


Drawing: TypeAlias = Clouds | Curves | Final | Grids | Surfaces


@dataclass(frozen=True)
class PaperFigure:
    """A figure of a paper; claim: what the paper says that it shows. seeds: as many runs of each recipe by default."""

    name: str
    text: str
    source: str  # a key of REFERENCES.bib
    claim: str
    groups: tuple[Group, ...]
    drawing: Drawing
    seeds: int = 3
    notes: tuple[str, ...] = ()

    @property
    def recipes(self) -> tuple[str, ...]:
        """Each recipe once, in the order in which it is drawn."""
        return tuple(dict.fromkeys(recipe for group in self.groups for recipe, _ in group.lines))


FIGURES: dict[str, PaperFigure] = {}


def enrol(figures: Sequence[PaperFigure]) -> None:
    """Makes figures known by their names."""
    FIGURES.update((each.name, each) for each in figures)


def figure(name: str) -> PaperFigure:
    """The figure of this name; raises InputError when there is none."""
    if name not in FIGURES:
        raise unknown("figure of a paper", name, FIGURES)
    return FIGURES[name]


def cost_key(settings: Settings) -> tuple[bool, str, int, int, int]:
    """What decides how long an iteration takes, about: images or points, network, width, batch and D steps."""
    network, image = settings.generator or settings.discriminator, bool(settings.data.image)
    return image, network.name, getattr(network, "width", 0), settings.batch_size, settings.d_steps


def hours(figure: PaperFigure, scale: str) -> float | None:
    """How long all of its runs take one core of a Xeon at 2.8 GHz, about; None where nobody measured it."""
    total = 0.0
    for recipe in figure.recipes:
        settings = RECIPES[recipe](scale=scale)
        cost = COSTS.get(cost_key(settings))
        if cost is None:
            return None
        total += figure.seeds * settings.horizon * cost / 3.6e6
    return total
