"""Everything that determines a run, typed and checked once, before a network is built and before torch is imported."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeAlias, get_args

from ..errors import InputError
from .block import Block, Context, JudgeSettings, plain
from .data import DATA, DataSet
from .keys import read
from .networks import DISCRIMINATOR, GENERATOR, Mlp, MlpDiscriminator
from .opponents import Monitor, Opponents
from .optimisation import SCHEDULE, Ema, Evaluate, Optimizer, Schedule
from .parts import LOSS, Constraints, Methods, Penalties, PlainLoss
from .values import Count, Few, Positive, Seed, Width, real, text, whole

DEVICES = r"auto|cpu|mps|cuda(:\d+)?"

Kind: TypeAlias = Literal["float32", "bf16"]  # what networks compute in
KINDS: tuple[str, ...] = get_args(Kind)


@dataclass(frozen=True, kw_only=True)
class Settings(Block):
    """A run's settings: saved as settings.json, printed by `--dry-run` and compared on resume.

    `horizon` is the length in iterations on which the schedule is based, however much of it is run. `lr_d` none means
    `lr_g`; `threads` none leaves the number to the plan; `ema` none trains without an average. `opponents` are several
    discriminators, instead of one. `conditional` networks receive the classes of the data. `init_from` is a run whose
    weights are used as the initial ones. `precision` is that of the networks, where float32 means `dtype`; `candidates`
    is the same for samples that are only ranked, none meaning `precision`. `monitor` takes looks at every tick, none
    takes no looks. `fakes` are samples on which a discriminator is trained without a generator (none).
    """

    recipe: Annotated[str, text("the name of a recipe")] = "custom"
    scale: Literal["full", "small"] = "full"
    seed: Seed = 0
    data: Annotated[DataSet, DATA]
    fakes: Annotated[DataSet, DATA] | None = None
    generator: Annotated[Block, GENERATOR] | None = field(default_factory=Mlp)
    discriminator: Annotated[Block, DISCRIMINATOR] = field(default_factory=MlpDiscriminator)
    latent_dim: Width = 2
    conditional: bool = False
    init_from: Annotated[str | None, text("the folder of a run")] = None
    loss: Annotated[Block, LOSS] = field(default_factory=lambda: PlainLoss("nonsaturating"))
    penalty: Penalties = field(default_factory=Penalties)
    method: Methods = field(default_factory=Methods)
    constraint: Constraints = field(default_factory=Constraints)
    opponents: Opponents = field(default_factory=Opponents)
    batch_size: Annotated[int, whole(1, most=2**20)] = 64
    d_steps: Few = 1
    optimizer: Optimizer = field(default_factory=Optimizer)
    lr_g: Positive = 1e-3
    lr_d: Annotated[float | None, real(above=0.0)] = None
    schedule: Annotated[Schedule, SCHEDULE]
    horizon: Count
    ema: Ema | None = field(default_factory=Ema)
    evaluate: Evaluate = field(default_factory=Evaluate)
    monitor: Monitor | None = field(default_factory=Monitor)
    log_every: Count = 200
    checkpoint_every: Count = 2000
    keep: Count = 3
    device: Annotated[str, text("auto, cpu, mps, cuda or cuda:<number>", DEVICES)] = "auto"
    dtype: Literal["float32", "float64"] = "float32"
    precision: Kind = "float32"
    candidates: Kind | None = None
    threads: Annotated[int | None, whole(1, most=1024)] = None
    compile: Literal["auto", "on", "off"] = "auto"

    def __post_init__(self) -> None:
        """What one setting alone cannot know."""
        super().__post_init__()
        self._check_fakes()
        if self.generator is not None:
            self._check_network("generator", self.generator)
        several, context = self.opponents, None
        for name, judge in self.judges().items():
            where, alone = f"opponents.{name}." if name in several else "", len(several) < 2
            self._check_network(f"{where}discriminator", judge.discriminator)
            context = Context(where, judge, self.generator, self.batch_size, self.conditional, self.data.image, alone)
            context.check()
            if self.monitor is not None and self.monitor.remedy.method:
                later = judge._replace(method=Methods(**{**self.monitor.remedy.method, **judge.method}))
                context._replace(where="monitor.remedy.", judge=later).check()
        fits = getattr(self.data, "fits", None)
        if fits is not None:
            fits(context)
        check_precision(self.dtype, self.precision, self.candidates)

    def _check_fakes(self) -> None:
        """There is a generator, or what stands for its samples."""
        if self.generator is None and self.fakes is None:
            raise InputError("fakes: expected a data set with generator=none, got none: set fakes or a generator")
        if self.fakes is None:
            return
        if self.generator is not None:
            raise InputError(
                f"generator: expected none with fakes={self.fakes.name}, which replace its samples, got "
                f"{self.generator.name}: set generator=none or fakes=none"
            )
        if self.conditional:
            raise InputError("conditional: expected false with fakes, which have no classes, got true: leave it out")
        if "denoising_feature_matching" in {name for judge in self.judges().values() for name in judge.method}:
            raise InputError(
                "method.denoising_feature_matching: expected a generator, the only network that learns from it, got "
                "none: leave it out"
            )
        if None not in (kinds := {self.data.image, self.fakes.image}) and len(kinds) > 1:
            words = {True: "images", False: "points"}
            raise InputError(
                f"fakes: expected {words[bool(self.data.image)]}, as data={self.data.name}, got {self.fakes.name}: "
                "choose others"
            )

    def _check_network(self, key: str, network: Any) -> None:
        side = self.data.known_side
        others = "" if side is None else network.other_sides(side)
        if others:
            raise InputError(
                f"{key}: expected a network for images of side {side}, got {network.name}, which is for {others}: "
                "choose another network (dcgan, mlp) or other images"
            )
        if self.conditional and not getattr(network, "conditional", False):
            raise InputError(
                f"{key}: expected dcgan with conditional=true, because {network.name} has no classes, got "
                f"{network.name}"
            )

    def judges(self) -> dict[str, JudgeSettings]:
        """The settings of each discriminator by name: one named D, or the opponents with shared settings filled in."""
        common = JudgeSettings(self.discriminator, self.loss, self.penalty, self.method, self.constraint)
        return {name: common.overlaid(own) for name, own in self.opponents.items()} or {"D": common}

    def check_path(self) -> None:
        """Raises InputError if your own data are expected but no path is given."""
        if self.data.missing and getattr(self.data, "path", None) is None:
            raise InputError(f"{self.recipe}: {self.data.missing}")
        if self.fakes is not None and self.fakes.missing and getattr(self.fakes, "path", None) is None:
            raise InputError("fakes.path: expected a file or folder of fakes, got none: set fakes.path")

    def plain(self) -> dict[str, Any]:
        """The settings as JSON types, nested as on the command line."""
        return plain(self)

    def to_json(self) -> str:
        """What `--dry-run` prints and settings.json holds."""
        return json.dumps(self.plain(), indent=2)

    @staticmethod
    def check(tree: Mapping[str, Any]) -> Settings:
        """Settings from plain types; raises InputError, one line, for the first error."""
        return read(Settings, tree)


def check_precision(dtype: str, precision: str, candidates: str | None) -> None:
    """Raises InputError for bf16 in a float64 run, as it would lose digits."""
    for key, kind in (("precision", precision), ("candidates", candidates)):
        if kind == "bf16" and dtype == "float64":
            raise InputError(
                f"{key}: expected float32 with dtype=float64, because bf16 would lose its precision, got bf16: set "
                f"{key}=float32 or dtype=float32"
            )
