"""The features of real images that fakes are compared with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..data import Source
from ..data.cache import cached
from ..data.samples import digest_of
from ..errors import InputError
from ..features import FeatureNetwork, Features, extract
from ..metrics.neighbours import Balance, Memorisation
from ..pixels import to_pixels
from ..places import cache_folder
from . import measures
from .measures import KERNEL_SIZE, MOST_CELLS, Figures, Measure, Specimens

FEATURED = 60_000  # images of a side whose features are computed: all of MNIST
KEPT_FROM = 2_000  # images whose features are worth a file
ALIKE = 0.95  # share of real images on which a network and the data's labels must agree to mean the same classes
ORDER = 0
FILE = "features.safetensors"


@dataclass(frozen=True, eq=False)
class RealSide:
    """The features of real images that fakes are measured against.

    train, held: of training and of held-out images, in an order that does not matter; split: which of them fakes are
    compared with; shares (classes,): how many of the data's samples are of each class of the network.
    """

    network: FeatureNetwork
    train: Features
    held: Features | None
    shares: Tensor | None
    split: str = "train"

    @property
    def real(self) -> Features:
        """The side that fakes are compared with."""
        if self.split == "train":
            return self.train
        if self.held is None:
            raise InputError("expected held-out images, got data without any: use the training split")
        return self.held

    def held_out_does(self, measures: Iterable[Measure], n: int) -> dict[str, float]:
        """What held-out images get where they are compared with training ones; {} where they are not."""
        if self.held is None or self.split != "train":
            return {}
        held = self.held.first(n)
        figures: Figures = {}
        for measure in measures:
            if measure.compares and measure.featured:
                figures |= measure.figures(Specimens(held.vectors, held))
        return figures

    def known_as(self, name: str) -> str:
        """The figure's usual name with this network: a Frechet distance of Inception's features is the FID."""
        usual: Mapping[str, str] = getattr(self.network, "known_as", {})
        return usual.get(name, name)


def measures_of(side: RealSide, n: int, full: bool) -> list[Measure]:
    """What a feature network allows; full: also the kernel distance, memorisation and repetitions."""
    found: list[Measure] = []
    classes, near = side.network.classes, side.real.vectors[:n]
    if classes is not None and side.shares is not None:
        found.append(measures.modes_of_classes(classes, side.shares))
    if side.held is not None:
        cells, fresh = side.train.vectors[:MOST_CELLS], side.held.vectors
        words = f"{len(cells):,} training samples as cells, against {len(fresh):,} held-out ones in equal numbers"
        found.append(measures.evenness(Balance(cells, fresh), words, featured=True))
    kernel = full and min(n, side.real.n) >= KERNEL_SIZE
    found.append(measures.spread(side.real, classes, side.known_as, kernel))
    found.append(measures.neighbourhood(near, featured=True))
    if full:
        found.append(measures.repeats(near, featured=True))
        if side.held is not None:
            found.append(measures.novelty(Memorisation(side.train.vectors, side.held.vectors), featured=True))
    return found


def real_side(source: Source, network: FeatureNetwork, split: str = "train", most: int = FEATURED) -> RealSide:
    """The features of the source's images, at most so many of each side, drawn once; kept in the cache folder.

    They are kept under a hash of the images and of the network. Raises InputError for a split that the data has not.
    """
    assert source.size is not None
    if split not in ("train", "held_out"):
        raise InputError(f"expected the split train or held_out, got {split!r}: choose one")
    train, held = _features(source, network, None, most), None
    if source.held_out is not None:
        held = _features(source, network, source.held_out, most)
    side = RealSide(network, train, held, None, split)
    assert side.real.n
    return replace(side, shares=_shares(source, network, train, most))


def class_histogram(features: Features, classes: int) -> Tensor:
    """How many samples the network takes for each class, (classes,)."""
    assert features.logits is not None
    return torch.bincount(features.logits.argmax(1), minlength=classes)


def key_of(*words: object) -> str:
    """A hash of these words, to keep things under."""
    key = blake2b(digest_size=10)
    for word in words:
        key.update(f"{word}\n".encode())
    return key.hexdigest()


def _shares(source: Source, network: FeatureNetwork, train: Features, most: int) -> Tensor | None:
    """How many training samples are of each class of the network; None where one of them is not in the data.

    The data's own labels say it where the network's classes are the data's.
    """
    if network.classes is None or train.logits is None:
        return None
    counts = class_histogram(train, network.classes)
    if source.label is not None and source.classes == network.classes:
        label = source.label.cpu()
        agree = (train.logits.argmax(1) == label[_order(len(label), most)]).float().mean()
        if agree >= ALIKE:
            counts = label.bincount(minlength=network.classes)
    return counts if bool((counts > 0).all()) else None


def _features(source: Source, network: FeatureNetwork, held_out: Tensor | None, most: int) -> Features:
    """Of the training images, or of held-out ones."""

    def pixels(index: Tensor) -> Tensor:
        raw = source.read(index) if held_out is None else held_out[index.to(held_out.device)]
        return raw.cpu() if raw.dtype == torch.uint8 else to_pixels(raw).cpu()

    part, size = ("train", source.size or 0) if held_out is None else ("held_out", len(held_out))
    index = _order(size, most)
    if len(index) < KEPT_FROM:
        return extract(network, pixels(index))

    def build(folder: Path) -> dict[str, Any]:
        from safetensors.torch import save_file

        found = Features.cat([extract(network, pixels(each)) for each in torch.split(index, 4096)])
        tensors = {"vectors": found.vectors.contiguous()}
        if found.logits is not None:
            tensors["logits"] = found.logits.contiguous()
        save_file(tensors, folder / FILE)
        return {"network": f"{network.name} {network.digest}", "data": f"{source.name} {part}", "n": found.n}

    from safetensors.torch import load_file

    digest = source.fingerprint() if held_out is None else digest_of(held_out)
    key = key_of(source.name, source.shape, digest, network.name, network.digest, network.resize, part, len(index))
    folder = cache_folder() / "features" / key
    cached(folder, build)
    kept = load_file(folder / FILE)
    return Features(kept["vectors"], kept.get("logits"))


def _order(size: int, most: int) -> Tensor:
    """The images that are used, in an order that has nothing to do with their classes."""
    return torch.randperm(size, generator=torch.Generator().manual_seed(ORDER))[:most]
