"""What a run is measured with: its data and a feature network, made into an evaluator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..data import Source
from ..data.cache import prepared
from ..errors import InputError
from ..features import FEATURES, FeatureNetwork, Features, extract
from ..metrics import Evaluator, Protocol, RealSide, class_histogram
from ..pixels import to_pixels
from ..places import cache_folder
from .probes import Evaluate
from .setup import Setup

MEASURED = 10_000  # training images that distances between pixels may look at
FEATURED = 60_000  # images of a side whose features are computed: all of MNIST
KEPT_FROM = 2_000  # images whose features are worth a file
ALIKE = 0.95  # share of real images on which a network and the data's labels must agree to mean the same classes
ORDER = 0


def network_for(source: Source, wanted: str | FeatureNetwork | None) -> FeatureNetwork | None:
    """The network that images of this source are measured with; None where there is none to measure with.

    wanted: a network, the name of one, "auto" for the data set's own, or None. Raises InputError for a name that is not
    known, and for a network whose weights are missing.
    """
    name = source.features if wanted == "auto" else wanted
    if name is None or not source.image:
        return None
    return FEATURES[name](source.shape) if isinstance(name, str) else name


def evaluator_for(
    source: Source,
    n: int,
    network: FeatureNetwork | None = None,
    split: str = "train",
    full: bool = False,
    about: Protocol | None = None,
    device: torch.device | None = None,
    most: int = FEATURED,
    metrics: Sequence[str] = (),
) -> Evaluator:
    """The evaluator of n fakes against this source; see `Evaluator.build`, `Evaluator.only` and `real_side`."""
    in_place = isinstance(source.train, Tensor) and source.train.is_floating_point()
    side = None if network is None else real_side(source, network, split, most)
    telling = source.nearest_classes or not source.image
    held_out = source.held_out_samples() if telling or network is not None else None
    evaluator = Evaluator.build(
        source.train if in_place else source.some(MEASURED),  # type: ignore[arg-type]
        source.unseen,
        source.centres,
        source.std,
        held_out if telling else None,
        source.held_out_label if telling else None,
        n=n,
        device=device,
        image=source.image,
        features=side,
        full=full,
        about=replace(about or Protocol(""), real=told(source, split)),
    )
    if metrics:
        evaluator = evaluator.only(metrics)
    return evaluator if side is None else replace(evaluator, known=_held_out(source, side, evaluator, bool(metrics)))


def _held_out(source: Source, side: RealSide, evaluator: Evaluator, few: bool) -> dict[str, float]:
    """What held-out images get; that of all figures is kept where it takes long."""
    if few or side.held is None or min(evaluator.n, side.held.n) < KEPT_FROM:
        return side.held_out_does(evaluator.measures, evaluator.n)
    key = blake2b(digest_size=10)
    for word in (source.fingerprint(), _digest(source.held_out), side.train.n, evaluator.n, evaluator.protocol):
        key.update(f"{word}\n".encode())

    def build(folder: Path) -> dict[str, Any]:
        return {"figures": side.held_out_does(evaluator.measures, evaluator.n)}

    found: dict[str, float] = prepared(cache_folder() / "held-out" / key.hexdigest(), build)["figures"]
    return found


def told(source: Source, split: str) -> str:
    """The data in words: its name, the split that fakes are compared with, and a hash."""
    if source.size is None:
        return f"{source.name}, drawn anew"
    return f"{source.name} {split} {source.fingerprint()[:8]}"


def real_side(source: Source, network: FeatureNetwork, split: str = "train", most: int = FEATURED) -> RealSide:
    """The features of the source's images, at most so many of each side, drawn once; kept in the cache folder.

    They are kept under a hash of the images and of the network. Raises InputError for a split that the data has not.
    """
    assert source.size is not None
    if split not in ("train", "held_out"):
        raise InputError(f"expected the split train or held_out, got {split!r}: choose one")
    train = _features(source, network, "train", source.size, most)
    held = None
    if source.held_out is not None:
        held = _features(source, network, "held_out", len(source.held_out), most)
    side = RealSide(network, train, held, None, split)
    assert side.real.n
    return replace(side, shares=_shares(source, network, train, most))


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


def _features(source: Source, network: FeatureNetwork, part: str, size: int, most: int) -> Features:
    index = _order(size, most)
    if len(index) < KEPT_FROM:
        return extract(network, _pixels(source, part, index))
    key = blake2b(digest_size=10)
    digest = source.fingerprint() if part == "train" else _digest(source.held_out)
    for word in (
        source.name,
        str(source.shape),
        digest,
        network.name,
        network.digest,
        network.resize,
        part,
        len(index),
    ):
        key.update(f"{word}\n".encode())

    def build(folder: Path) -> dict[str, Any]:
        from safetensors.torch import save_file

        parts = [extract(network, _pixels(source, part, each)) for each in torch.split(index, 4096)]
        found = Features.cat(parts)
        tensors = {"vectors": found.vectors.contiguous()}
        if found.logits is not None:
            tensors["logits"] = found.logits.contiguous()
        save_file(tensors, folder / FILE)
        return {"network": f"{network.name} {network.digest}", "data": f"{source.name} {part}", "n": found.n}

    from safetensors.torch import load_file

    folder = cache_folder() / "features" / key.hexdigest()
    prepared(folder, build)
    kept = load_file(folder / FILE)
    return Features(kept["vectors"], kept.get("logits"))


FILE = "features.safetensors"


def _order(size: int, most: int) -> Tensor:
    """The images that are used, in an order that has nothing to do with their classes."""
    return torch.randperm(size, generator=torch.Generator().manual_seed(ORDER))[:most]


def _pixels(source: Source, part: str, index: Tensor) -> Tensor:
    if part == "train":
        raw = source.read(index)
    else:
        assert source.held_out is not None
        raw = source.held_out[index.to(source.held_out.device)]
    return raw.cpu() if raw.dtype == torch.uint8 else to_pixels(raw).cpu()


def _digest(held_out: Tensor | None) -> str:
    assert held_out is not None
    return blake2b(held_out.cpu().contiguous().numpy().data, digest_size=16).hexdigest()


def versions(network: FeatureNetwork | None) -> str:
    """The libraries that figures hang on."""
    from importlib.metadata import version

    named = ["torch", *(["torch-fidelity"] if network is not None else [])]
    return ", ".join(f"{name} {version(name)}" for name in named)


def batch_norm(G: nn.Module) -> str:
    """What a generator's batch normalisation goes by while samples are measured; "" where it has none."""
    kinds = (nn.modules.batchnorm._BatchNorm,)
    return "moving averages" if any(isinstance(module, kinds) for module in G.modules()) else ""


def evaluator_of(setup: Setup) -> tuple[Evaluate | None, str]:
    """The user's evaluator, or the one that fits the data; and a line where the feature network cannot be had.

    A run does not end for want of it: it goes on without the figures that need it.
    """
    if setup.evaluator != "auto":
        return setup.evaluator, ""
    source, note, network = setup.source, "", None
    try:
        found = network_for(source, setup.features)
        if found is not None:
            found.check(source.shape)
        network = found
    except InputError as error:
        note = f"no figures of {setup.features}: {error}"
    about = Protocol(
        "",
        weights="live" if setup.ema is None else "EMA",
        batch_norm=batch_norm(setup.G),
        seeds="fakes: the run's + 1",
        versions=versions(network),
    )
    return evaluator_for(source, setup.evaluate_n, network, about=about, device=setup.device), note
