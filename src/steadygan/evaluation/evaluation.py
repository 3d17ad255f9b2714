"""The result of evaluating the samples of any generator against any data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from ..data import Source
from ..data.images.listing import shown
from ..data.samples import Progress
from ..data.source import glimpse_of
from ..devices import borrowed, plain_modes
from ..display.card import Card, Shown
from ..display.glimpse import MOST, POINTS, Glimpse
from ..errors import InputError, check_whole
from ..features import FeatureNetwork, InceptionFeatures
from ..features.network import check_name
from ..features.packaged import PACKAGED
from ..metrics.protocol import Protocol
from ..pixels import to_values
from ..quantities import CLASS, KNOWN, counted
from .evaluator import evaluator_for, network_for, versions
from .fakes import Fakes, fakes_of, run_of
from .measures import KERNEL_SIZE
from .real_side import FEATURED
from .reals import reals

GREYS = 10_000  # real images that are looked at for colour
LEAST = 100  # fakes: below it no figure means anything
OF_FEATURES = ("fid", "kid", "inception_score", "frechet", "kernel_distance", "class_score")
NAMED = {"kernel_distance": "kernel distance", "fid": "FID and similar"}  # what a note is worth


@dataclass(frozen=True, repr=False)
class Evaluation(Shown):
    """The result: `figures` by name, their `protocols`, and the values of real data (`reference`).

    notes: messages for the user, including figures that could not be computed.
    """

    what: str
    against: str
    figures: dict[str, float]
    protocols: dict[str, Protocol]
    reference: dict[str, float]
    notes: tuple[str, ...] = ()
    glimpse: Glimpse | None = None  # some of the fakes

    def _card(self, picture: bool) -> Card:
        rows = [
            (KNOWN[key].label if key in KNOWN else key, counted(key, value), self._real(key))
            for key, value in self.figures.items()
            if not CLASS.fullmatch(key)
        ]
        title = f"Evaluation of {self.what} against {self.against}"
        return Card(title, self.notes, [("", "fakes", "real data"), *rows], self.glimpse if picture else None)

    def _real(self, key: str) -> str:
        return counted(key, self.reference[key]) if key in self.reference else ""

    def plain(self) -> dict[str, Any]:
        """For JSON: each figure with its value, the value of real data, and its protocol."""
        return {
            "what": self.what,
            "against": self.against,
            "figures": {
                name: {
                    "value": value,
                    "real": self.reference.get(name),
                    "protocol": self.protocols[name].plain() if name in self.protocols else {},
                }
                for name, value in self.figures.items()
            },
            "notes": list(self.notes),
        }


@plain_modes()
def evaluate(
    what: Any,
    against: Any,
    *,
    n: int | None = None,
    seed: int = 0,
    weights: Literal["ema", "live"] = "ema",
    split: Literal["train", "held_out"] = "train",
    features: str | FeatureNetwork | None = "auto",
    data: str | Path | None = None,
    real: int = FEATURED,
    device: str = "cpu",
    metrics: Sequence[str] = (),
    progress: Progress | None = None,
) -> Evaluation:
    """Evaluates the samples of any generator: `evaluate("runs/mnist-far/seed-0", "mnist")`.

    what: a `Run`, the folder of one, a folder, .zip, .npy or .npz of images, a .csv, .npy or .npz of points, or an
    array (n, *shape). against: a data set's name ("own": the run's own data), a path, or samples; `data`: where the
    files of a data set lie. n: how many fakes; of a run 10,000, or as many as its data's benchmark asks for, drawn with
    `seed`; of files all. split: the real images to compare features with, at most `real` of them. features: the
    name of a network, a `FeatureNetwork`, None, or "auto" for that of the data set. metrics: the figures to compute;
    none: all that apply. Global random generators are left as they were.

    Raises InputError for data that do not fit or are too few, and NonFiniteError for non-finite samples.
    """
    check_whole("real", real, LEAST)
    check_whole("seed", seed, 0)
    with borrowed(seed, torch.device("cpu")):
        path = None if data is None else Path(data)
        run = run_of(what)
        settings = run.settings if run is not None and "recipe" in run.settings else None
        source = reals(against, path, settings, progress)
        if isinstance(source.train, Tensor) and source.train.dtype == torch.float64:
            source = source.standardised(scaled=False)  # distances stay in the data's units
        fakes = fakes_of(run or what, n, seed, weights, source.benchmark_n, source.image)
        fakes = fitted(fakes, source)
        check_alike(fakes, source)
        network, missing = None, ""
        check_name(features)
        if features not in ("auto", None) and not source.image:
            raise InputError(f"expected images for features, got points in {source.name}: leave out features")
        try:
            network = network_for(source, features)
        except InputError as error:  # of its weights: the other figures can be had
            missing = f"no figures of {features}: {error}"
        if network is not None:
            network.check(source.shape)
        about = replace(fakes.about, versions=versions(network))
        lacking = {} if missing else left_out(fakes, network)
        for name in metrics:
            if name in lacking or (missing and name in OF_FEATURES):
                why = lacking.get(name) or missing
                raise InputError(f"expected figures that exist for {fakes.name}, got {name}: {why}")
        chosen = evaluator_for(
            source, fakes.n, network, split, True, about, device=torch.device(device), most=real, metrics=metrics
        )
        figures = chosen(in_units(fakes, source))
    if metrics:
        figures = {name: figures[name] for name in metrics}
    told = [f"no {NAMED[name]}: {why}" for name, why in lacking.items() if name in NAMED and not metrics]
    said = dict.fromkeys((*fakes.notes, *source.notes))  # once, where both sides are one file
    notes = [*said, *compressed(fakes, source), *([missing] if missing else []), *told]
    seen = glimpse_of(
        to_values(fakes.samples[:MOST]) if fakes.image else fakes.samples[:POINTS],
        fakes.image,
        None if source.image else source.restore(source.fresh(POINTS, torch.Generator().manual_seed(seed))),
    )
    return Evaluation(fakes.name, source.name, figures, chosen.protocols, chosen.reference, tuple(notes), seen)


def fitted(fakes: Fakes, source: Source) -> Fakes:
    """The fakes as the real samples are kept, grey or RGB and columns in one order; a note says where that is new."""
    (first, *rest), (wanted, *others) = fakes.samples.shape[1:], source.shape
    samples, mine, theirs = fakes.samples, fakes.columns, source.columns
    if fakes.image and source.image and {first, wanted} == {1, 3} and rest == others:
        in_colour = samples if first == 3 else source.read(torch.arange(min(source.size or 0, GREYS)))
        if not bool((in_colour == in_colour[:, :1]).all()):
            return fakes
        whose = fakes.name if first == 3 else source.name
        note = (
            f"the three channels of {whose} are equal: grey saved as RGB, compared as {'grey' if first == 3 else 'RGB'}"
        )
        samples = samples[:, :1].expand(-1, wanted, -1, -1)
    elif mine and theirs and mine != theirs:
        note = f"columns {shown(', '.join(mine))} of {fakes.name} and {shown(', '.join(theirs))} of {source.name} are "
        if sorted(mine) == sorted(theirs) and len({*mine}) == len(mine):
            samples, note = samples[:, [mine.index(name) for name in theirs]], f"{note}matched by name"
        else:
            note += "compared in their order"
    else:
        return fakes
    return replace(fakes, samples=samples, notes=(*fakes.notes, note))


def check_alike(fakes: Fakes, source: Source) -> None:
    """Raises InputError unless fakes and real samples have the same kind, range and shape, and there are enough."""
    if fakes.n < LEAST:
        raise InputError(f"expected at least {LEAST} fakes in {fakes.name}, got {fakes.n}: raise -n, or generate more")
    if fakes.image != source.image:
        wanted, got = ("images", "numbers") if source.image else ("numbers", "images")
        told = f"{got} in {fakes.name}: name other data with --against"
        raise InputError(f"expected {wanted} to compare with {source.name}, got {told}")
    if fakes.span is not None and source.span is not None and fakes.span != source.span:
        wanted, got = (f"[{low:g}, {high:g}]" for low, high in (source.span, fakes.span))
        raise InputError(
            f"expected images in {wanted} as in {source.name}, got {got} in {fakes.name}: pass both as uint8"
        )
    shape = tuple(fakes.samples.shape[1:])
    if shape == source.shape:
        return
    if source.image:
        told = f"{_kind(shape)} in {fakes.name}, and images are never resized for it: save them as those are"
        raise InputError(f"expected images of {_kind(source.shape)} as in {source.name}, got {told}")
    raise InputError(f"expected samples of shape {source.shape} as in {source.name}, got {shape}: name other data")


def in_units(fakes: Fakes, source: Source) -> Tensor:
    """The fakes as the source gives its samples."""
    values = to_values(fakes.samples) if fakes.image else fakes.samples
    if source.offset is not None and source.scale is not None:
        values = (values - source.offset) / source.scale
    return values.float()


def compressed(fakes: Fakes, source: Source) -> list[str]:
    """A line where one side is compressed with loss [parmar2022]."""
    sides = ((fakes.lossy, "the fakes"), (source.lossy, "the real images"))
    return [
        f"{count:,} of {whose} are JPEG files: compression alone moves the FID by 0.2 at quality 100, by 6 at 90 and "
        "by 21 at 75 (Parmar et al. 2022, on FFHQ): compare with PNG files"
        for count, whose in sides
        if count
    ]


def left_out(fakes: Fakes, network: FeatureNetwork | None) -> dict[str, str]:
    """The figures that cannot be computed, and what they need."""
    if network is not None and fakes.n < KERNEL_SIZE:
        return dict.fromkeys(("kernel_distance", "kid"), f"it needs {KERNEL_SIZE:,} fakes, got {fakes.n:,}")
    if network is None and fakes.image:
        own = [each.name for each in PACKAGED if each.shape == tuple(fakes.samples.shape[1:])]
        kin, usual = (f"add --features {' or '.join(names)}" for names in ([*own, "inception"], ["inception"]))
        return {name: kin if name in InceptionFeatures.known_as else usual for name in OF_FEATURES}
    return {}


def _kind(shape: tuple[int, ...]) -> str:
    return f"{'grey' if shape[0] == 1 else 'RGB'} {shape[2]} x {shape[1]}"
