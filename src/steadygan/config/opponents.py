"""Settings of several discriminators: what each has of its own."""

from __future__ import annotations

from typing import NamedTuple

from ..errors import InputError
from .block import Block, Parts
from .networks import Discriminator
from .parts import Constraints, Loss, Methods, Penalties
from .values import Weight

CONDITIONAL = ("dcgan",)  # networks that can be told a class


class Opponent(Block):
    """One of several discriminators; what is none here is as the settings of the same name say for all of them."""

    discriminator: Discriminator | None = None
    loss: Loss | None = None
    penalty: Penalties | None = None
    method: Methods | None = None
    constraint: Constraints | None = None
    weight: Weight = 1.0


class Opponents(Parts):
    """Discriminators that train side by side, each with a network of its own; none of them means one, named D."""

    d1: Opponent | None = None
    d2: Opponent | None = None


class Judge(NamedTuple):
    """All settings of one discriminator."""

    discriminator: Discriminator
    loss: Loss
    penalty: Penalties
    method: Methods
    constraint: Constraints
    weight: float = 1.0

    def overlaid(self, own: Opponent) -> Judge:
        """These settings where `own` has none."""
        theirs = {key: getattr(own, key) for key in self._fields}
        return self._replace(**{key: value for key, value in theirs.items() if value is not None})

    def beside(self, more: Parts) -> Judge:
        """These settings with those methods of `more` that are not there yet."""
        new = {name: block for name, block in more.items() if getattr(self.method, name) is None}
        return self._replace(method=self.method.model_copy(update=new))


def fits(judge: Judge, where: str, batch_size: int, conditional: bool, image: bool, alone: bool) -> None:
    """Raises InputError for settings of one discriminator that do not go together.

    where: what stands before their keys; conditional: networks are told classes; image: whether data are images;
    alone: whether it is the only discriminator.
    """
    method, kind = judge.method, judge.discriminator.name
    for name, part in (("fake_as_real", method.fake_as_real), ("sample_differences", method.sample_differences)):
        if part is not None and part.count > batch_size:
            raise InputError(
                f"{where}method.{name}.count: expected at most the batch of {batch_size}, got {part.count}: lower it "
                "or raise batch_size"
            )
    if conditional and method.packing is not None:
        raise InputError(
            f"{where}method.packing: expected no packing with conditional=true, as several samples have no one class: "
            "set method.packing=none or conditional=false"
        )
    if conditional and kind not in CONDITIONAL:
        raise InputError(
            f"{where}discriminator: expected dcgan with conditional=true, as {kind} knows no classes, got {kind}"
        )
    if method.cramer is not None and judge.loss.name != "nonsaturating":
        raise InputError(
            f"{where}loss: expected none beside method.cramer, which has an objective of its own, got "
            f"{judge.loss.name}: leave it out"
        )
    denoiser = getattr(judge.discriminator, "denoiser", 0)
    if method.denoising_feature_matching is not None and not denoiser:
        raise InputError(
            f"{where}method.denoising_feature_matching: expected a discriminator with a denoiser of its features, got "
            f"{kind} without: set {where}discriminator.denoiser=128 (mlp and dcgan have it)"
        )
    if denoiser and method.denoising_feature_matching is None:
        raise InputError(
            f"{where}discriminator.denoiser: expected method.denoising_feature_matching, which trains it, got none: "
            "add it, or set denoiser=0"
        )
    if judge.loss.name == "began" and not kind.endswith("autoencoder"):
        raise InputError(
            f"{where}discriminator: expected an autoencoder for the loss began, got {kind}: set discriminator="
            f"{'dcgan' if image else 'mlp'}_autoencoder"
        )
    if judge.loss.name == "d2gan" and alone:
        raise InputError(
            "loss: expected two discriminators for d2gan, got one: set opponents=d1,d2 and "
            "opponents.d2.loss.second=true"
        )
    if method.diff_augment is not None and not image:
        raise InputError(
            f"{where}method.diff_augment: expected images, as it moves and cuts them, got points: leave it out"
        )
