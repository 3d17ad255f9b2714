"""Everything that decides a run, typed and checked once, before a network is built and before torch is imported."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, TypeAlias, get_args

from pydantic import Field, ValidationError, model_validator

from ..errors import InputError
from .block import Block
from .groups import POINTS, Data, Ema, Evaluate, Folder, Optimizer, Schedule, Size
from .keys import one_line
from .monitor import Monitor
from .networks import SIDES, DcganGenerator, Discriminator, Generator, Mlp, MlpDiscriminator, halvings
from .opponents import CONDITIONAL, Judge, Opponent, Opponents, fits
from .parts import Constraints, Loss, Methods, Penalties, PlainLoss
from .values import Count, Flag, Natural, Positive, choice, real, text

DEVICES = r"auto|cpu|mps|cuda(:\d+)?"

Kind: TypeAlias = Literal["float32", "bf16"]  # what networks compute in
KINDS: tuple[str, ...] = get_args(Kind)


class Settings(Block):
    """A run's settings: what is saved as settings.json, printed by `--dry-run` and compared on resume.

    `horizon` is the length in iterations that the schedule refers to, whatever part of it is run; `lr_d` none means
    `lr_g`, `threads` none leaves the number to the plan, `ema` none trains without an average. `opponents` are several
    discriminators, where there is not one. `conditional` networks are told the classes of the data; `init_from` is a
    run whose weights are the first ones. `precision` is what the networks compute in, float32 meaning `dtype`;
    `candidates` is the same for samples that are only ranked, none meaning `precision`. `monitor` takes looks at every
    tick, none taking none.
    """

    recipe: Annotated[str, text("the name of a recipe")] = "custom"
    scale: Annotated[Literal["full", "small"], choice("full", "small")] = "full"
    seed: Natural = 0
    data: Data
    generator: Generator = Field(default_factory=Mlp)
    discriminator: Discriminator = Field(default_factory=MlpDiscriminator)
    latent_dim: Count = 2
    conditional: Flag = False
    init_from: Annotated[str | None, text("the folder of a run", optional=True)] = None
    loss: Loss = Field(default_factory=lambda: PlainLoss(name="nonsaturating"))
    penalty: Penalties = Field(default_factory=Penalties)
    method: Methods = Field(default_factory=Methods)
    constraint: Constraints = Field(default_factory=Constraints)
    opponents: Opponents = Field(default_factory=Opponents)
    batch_size: Count = 64
    d_steps: Count = 1
    optimizer: Optimizer = Field(default_factory=Optimizer)
    lr_g: Positive = 1e-3
    lr_d: Annotated[float | None, real(above=0.0, optional=True)] = None
    schedule: Schedule
    horizon: Count
    ema: Ema | None = Field(default_factory=Ema)
    evaluate: Evaluate = Field(default_factory=Evaluate)
    monitor: Monitor | None = Field(default_factory=Monitor)
    log_every: Count = 200
    checkpoint_every: Count = 2000
    keep: Count = 3
    device: Annotated[str, text("auto, cpu, mps, cuda or cuda:<number>", DEVICES)] = "auto"
    dtype: Annotated[Literal["float32", "float64"], choice("float32", "float64")] = "float32"
    precision: Annotated[Kind, choice(*KINDS)] = "float32"
    candidates: Annotated[Kind | None, choice(*KINDS, optional=True)] = None
    threads: Size = None
    compile: Annotated[Literal["auto", "on", "off"], choice("auto", "on", "off")] = "auto"

    @model_validator(mode="after")
    def _fits(self) -> Self:
        """What one setting alone cannot know."""
        if self.conditional and self.generator.name not in CONDITIONAL:
            raise InputError(
                f"generator: expected dcgan with conditional=true, as {self.generator.name} knows no classes, got "
                f"{self.generator.name}"
            )
        several = dict(self.opponents.items())
        image = not isinstance(self.data, POINTS)
        for name, judge in self.judges().items():
            where = f"opponents.{name}." if name in several else ""
            fits(judge, where, self.batch_size, self.conditional, image, len(several) < 2)
            if self.monitor is not None:
                later = judge.beside(self.monitor.remedy.method)
                fits(later, "monitor.remedy.", self.batch_size, self.conditional, image, len(several) < 2)
        size = self.data.size if isinstance(self.data, Folder) else None
        if size is not None and isinstance(self.generator, DcganGenerator) and halvings(size) is None:
            raise InputError(f"data.size: expected a side that dcgan can make, {SIDES}, got {size}: choose one of them")
        if isinstance(self.data, Folder) and self.data.channels == 2:
            raise InputError("data.channels: expected 1 (grey) or 3 (colour), or none, got 2")
        check_precision(self.dtype, self.precision, self.candidates)
        return self

    def judges(self) -> dict[str, Judge]:
        """What each discriminator has, by name: one named D, or the opponents with what they share filled in."""
        common = Judge(self.discriminator, self.loss, self.penalty, self.method, self.constraint)
        own = {name: common.overlaid(block) for name, block in self.opponents.items() if isinstance(block, Opponent)}
        return own or {"D": common}

    def plain(self) -> dict[str, Any]:
        """The settings as JSON's types, nested as the command line names them."""
        return self.model_dump(mode="json")

    def to_json(self) -> str:
        """What `--dry-run` prints and settings.json holds."""
        return json.dumps(self.plain(), indent=2)

    @staticmethod
    def check(tree: Mapping[str, Any]) -> Settings:
        """Settings from plain types; raises InputError, one line, for the first thing that is wrong."""
        try:
            return Settings.model_validate(tree)
        except ValidationError as error:
            raise one_line(error, Settings) from None


def check_precision(dtype: str, precision: str, candidates: str | None) -> None:
    """Raises InputError for bf16 in a run of float64, whose digits it would drop."""
    for key, kind in (("precision", precision), ("candidates", candidates)):
        if kind == "bf16" and dtype == "float64":
            raise InputError(
                f"{key}: expected float32 with dtype=float64, as bf16 would drop its digits, got bf16: set "
                f"{key}=float32 or dtype=float32"
            )
