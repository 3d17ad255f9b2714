"""A paper's table: how each row is trained, what was published, and which claims follow from it."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from ...config import Settings
from ...config.networks import DISCRIMINATOR, GENERATOR
from ...config.optimisation import Constant, Evaluate
from ...errors import unknown
from ..recipe import RECIPES, recipe

STANDS_FOR = {"fid": "frechet", "inception_score": "class_score"}  # what a network of this package's own tells instead
SMALL_WIDTH = 4  # the networks' widths are divided by this for two cores


class Published(NamedTuple):
    """A figure as printed: mean and, where it is given, deviation."""

    mean: float
    std: float | None = None

    def __str__(self) -> str:
        return f"{self.mean:g}" if self.std is None else f"{self.mean:g} ± {self.std:g}"


@dataclass(frozen=True)
class Row:
    """A row: its recipe is `paper/<paper>/<name>`; `short` makes what two cores train in place of its `settings`.

    recipe: the name of its recipe, where it has one of its own.
    """

    name: str
    text: str
    settings: Callable[[], Settings]
    short: Callable[[], Settings]
    published: Mapping[str, Published] = field(default_factory=dict)
    source: str = ""  # whose method it is, a key of REFERENCES.bib, where that is not the table's
    recipe: str = ""


class Claim(NamedTuple):
    """What the paper says of two rows; `same`: that there is no difference between them."""

    text: str
    better: str
    worse: str
    same: bool = False


@dataclass(frozen=True)
class PaperTable:
    """A table or figure of a paper, by the figure that its claims are about and the others that it prints."""

    name: str
    text: str
    paper: str  # the first word of its recipes' names after paper/
    source: str  # a key of REFERENCES.bib
    figure: str
    rows: tuple[Row, ...]
    claims: tuple[Claim, ...]
    notes: tuple[str, ...] = ()  # what the paper leaves open, and what was taken
    others: tuple[str, ...] = ()  # printed beside `figure`

    def row(self, name: str) -> Row:
        """The row of this name; raises InputError when there is none."""
        for row in self.rows:
            if row.name == name:
                return row
        raise unknown(f"row of {self.name}", name, [row.name for row in self.rows])

    def recipe(self, row: Row) -> str:
        """The name of a row's recipe."""
        return row.recipe or f"paper/{self.paper}/{row.name}"

    @property
    def printed(self) -> tuple[str, ...]:
        """All figures that it prints."""
        return (self.figure, *self.others)

    def measured(self, figure: str, known: Container[str]) -> str:
        """The figure where it is known, or what stands for it, the nearest first; for want of any the figure itself."""
        last = ("energy_distance",) * (figure == self.figure)
        return next((key for key in (figure, STANDS_FOR.get(figure, figure), *last) if key in known), figure)


TABLES: dict[str, PaperTable] = {}
ROWS_OF = {  # recipes that bear a method's name, and the row that its paper trains: FARGAN and 0-GP, SDP, dual
    **{
        f"{data}/{ours}": f"paper/fargan/{data}-{row}"
        for data, net in (("cifar10", "resnet"), ("cifar100", "resnet"), ("imagenet64", "resnet64"))
        for ours, row in (("r1", f"{net}-ns-0gp"), ("far", f"{net}-ns-far"))
    },
    "mnist/r1": "paper/zero-gp/mnist-r1-beta5-10k",
    "mnist/zero_gp": "paper/zero-gp/mnist-zero-gp-beta5-10k",
    "imagenet64/zero_gp": "paper/zero-gp/imagenet-zero-gp",
    **{
        f"{data}/{ours}": f"paper/sdp/{data}-{row}"
        for data in ("cifar10", "cifar100", "tiny-imagenet")
        for ours, row in (
            *((name, f"{name}-plain") for name in ("lsgan", "wgan-gp", "hinge", "sngan")),
            ("sdp", "hinge-sdp"),
        )
    },
    "cifar10/dual": "paper/dual/ours",
    "cifar10/nsgan": "paper/dual/dcgan",
    "cifar10/mdgan": "paper/dual/md",
    **{f"cifar10/{name}": f"paper/dual/{name}" for name in ("dragan", "began", "d2gan", "cramer", "dfm")},
}


def enrol(*tables: PaperTable) -> None:
    """Enrols tables, and a recipe for each of their rows; a row that stands in several tables has one recipe."""
    for table in tables:
        TABLES[table.name] = table
        enrol_rows(table.paper, table.source, *table.rows)


def enrol_rows(paper: str, source: str, *rows: Row) -> None:
    """Enrols a recipe `paper/<paper>/<row>` for each row that has none yet."""
    for row in rows:
        name = row.recipe or f"paper/{paper}/{row.name}"
        if name not in tuple(RECIPES):  # to ask the registry itself would import plugins, which import this
            recipe(name, row.text, row.source or source, row.short)(row.settings)


def table(name: str) -> PaperTable:
    """The table of this name; raises InputError when there is none."""
    if name not in TABLES:
        raise unknown("table of a paper", name, TABLES)
    return TABLES[name]


def published(every: int, **settings: Any) -> dict[str, Any]:
    """What the papers' rows share, as keywords of `Settings`: a constant rate, no average, Inception's figures."""
    figures = Evaluate(every=every, n=10_000, features="inception")
    rhythm = {"evaluate": figures, "checkpoint_every": every, "log_every": every // 10}
    return {"schedule": Constant(), "ema": None, **rhythm, **settings}


def network(name: str, **settings: Any) -> dict[str, Any]:
    """Both networks of a pair, as keywords of `Settings`."""
    return {"generator": GENERATOR.find(name)(**settings), "discriminator": DISCRIMINATOR.find(name)(**settings)}


def short(build: Callable[[], Settings], horizon: int, n: int = 5000, features: Any = None, **changes: Any) -> Settings:
    """What two cores train in place of published settings: the same networks `SMALL_WIDTH` times narrower, for fewer
    iterations, measured ten times by n samples in `features` (none: the data set's own); else as published.
    """
    settings = build()
    features = features or {"cifar10": "cifar"}.get(settings.data.name, "auto")

    def narrow(block: Any) -> Any:
        return replace(block, width=max(4, block.width // SMALL_WIDTH)) if hasattr(block, "width") else block

    opponents = type(settings.opponents)(
        **{
            name: own if own.discriminator is None else replace(own, discriminator=narrow(own.discriminator))
            for name, own in settings.opponents.items()
        }
    )
    common = {
        "generator": narrow(settings.generator),
        "discriminator": narrow(settings.discriminator),
        "opponents": opponents,
        "horizon": horizon,
        "evaluate": Evaluate(every=max(1, horizon // 10), n=n, features=features),
        "checkpoint_every": max(1, horizon // 10),
        "log_every": min(settings.log_every, max(1, horizon // 10)),
    }
    return replace(settings, **{**common, **changes})
