"""The images of a folder or zip, decoded once into files of plain bytes that are mapped into memory ever after."""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from hashlib import blake2b
from math import prod
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import InputError
from ..places import cache_folder
from .cache import FORMAT, Card, prepared
from .entries import Entry, Listing, shown
from .image_file import UnreadableError, decode
from .layout import Layout, Part
from .samples import Mapped, Progress
from .survey import Plan, plan, survey

BLOCK = 8 * 1024**2  # bytes of pixels that are decoded before they are written
MOST = 1024  # images of a block
THREADED = 256 * 256  # pixels of an image from which on decoding outweighs what handing it to a thread costs


@dataclass(frozen=True)
class Decoded:
    """Training pixels, held-out pixels, their labels, and what the card says of them."""

    train: Mapped
    label: Tensor | None
    held_out: Mapped | None
    held_out_label: Tensor | None
    card: Card


def decoded(
    listing: Listing, layout: Layout, size: int | None, channels: int | None, progress: Progress | None
) -> Decoded:
    """Pixels (n, c, h, w) uint8 of the images in `layout`, decoded now or found in the cache folder.

    The cache folder's `images/<key>` holds train.u8 and held_out.u8 without headers, train_label.npy and
    held_out_label.npy, and card.json. The key is a hash of what the zip's directory or the file system says of the
    files, of `size` and of `channels`. Raises InputError as `survey`, `plan` and `prepared` do, and for an image that
    cannot be decoded.
    """
    folder = cache_folder() / "images" / _key(listing, layout, size, channels)

    def build(part: Path) -> Card:
        seen = survey(listing, layout.entries, progress)
        chosen = plan(seen, size, channels)
        threads = min(4, os.cpu_count() or 1) if seen.mean_pixels >= THREADED else 1
        return _build(part, listing, layout, chosen, threads, progress)

    card = prepared(folder, build, progress)
    shape = tuple(card["shape"])
    counts = card["count"]
    return Decoded(
        Mapped(folder / "train.u8", counts["train"], shape),
        _label(folder / "train_label.npy"),
        Mapped(folder / "held_out.u8", counts["held_out"], shape) if counts["held_out"] else None,
        _label(folder / "held_out_label.npy"),
        card,
    )


def _key(listing: Listing, layout: Layout, size: int | None, channels: int | None) -> str:
    key = blake2b(f"{FORMAT} {size} {channels}\n".encode(), digest_size=16)
    for entry in (*layout.entries, *listing.annotations):
        key.update(f"{entry.path}\0{entry.size} {entry.stamp}\n".encode("utf-8", "surrogatepass"))
    return key.hexdigest()


def _build(part: Path, listing: Listing, layout: Layout, plan: Plan, threads: int, progress: Progress | None) -> Card:
    shape = (plan.channels, plan.side, plan.side)
    needed, free = len(layout.entries) * prod(shape), shutil.disk_usage(part).free
    if needed > free:
        raise InputError(
            f"expected {needed / 1e9:,.1f} GB of free room for the decoded images in {str(part.parent)!r}, got "
            f"{free / 1e9:,.1f}: make room, choose a smaller size, or set STEADYGAN_CACHE to a folder elsewhere"
        )
    digest = blake2b(digest_size=16)
    done, total = 0, len(layout.entries)
    what = f"decoding {shown(listing.name)}"
    parts: dict[str, Part | None] = {"train": layout.train, "held_out": layout.held_out}
    with warnings.catch_warnings(), ThreadPoolExecutor(threads) if threads > 1 else nullcontext() as pool:
        warnings.filterwarnings("ignore", module=r"PIL\b")  # of notes beside the pixels
        for name, chosen in parts.items():
            if chosen is None:
                continue
            with (part / f"{name}.u8").open("wb") as file:
                for block in _blocks(listing, chosen.entries, plan, pool):
                    if progress is not None:
                        progress(what, done, total)
                    file.write(block.data)
                    done += len(block)
                    if name == "train":
                        digest.update(block.reshape(-1).data)
            if chosen.label is not None:
                label = np.asarray(chosen.label, dtype=np.int64)
                np.save(part / f"{name}_label.npy", label)
                if name == "train":
                    digest.update(label.data)
    if progress is not None:
        progress(what, total, total)
    return {
        "shape": shape,
        "count": {name: len(chosen.entries) if chosen else 0 for name, chosen in parts.items()},
        "class_names": layout.class_names,
        "found": plan.found,
        "done": plan.done,
        "resized": plan.size is not None,
        "digest": digest.hexdigest(),
    }


def _blocks(
    listing: Listing, entries: Sequence[Entry], plan: Plan, pool: ThreadPoolExecutor | None
) -> Iterator[NDArray[np.uint8]]:
    """Decoded images, a block (k, c, h, w) at a time, in order."""
    shape = (plan.channels, plan.side, plan.side)

    def image(entry: Entry) -> NDArray[np.uint8]:
        try:
            pixels = decode(listing.read(entry, None), plan.size, plan.channels)
            if pixels.shape != shape:  # the file has changed since its header was read
                raise UnreadableError(f"{pixels.shape[2]} x {pixels.shape[1]} pixels")
        except UnreadableError as error:
            raise InputError(
                f"expected a whole image in {shown(entry.path)} of {shown(listing.name)}, got {error}: "
                "mend or remove it"
            ) from None
        return pixels

    count = max(1, min(MOST, BLOCK // prod(shape)))
    for start in range(0, len(entries), count):
        chosen = entries[start : start + count]
        block = np.empty((len(chosen), *shape), dtype=np.uint8)
        for i, pixels in enumerate(map(image, chosen) if pool is None else pool.map(image, chosen)):
            block[i] = pixels
        yield block


def _label(file: Path) -> Tensor | None:
    return torch.from_numpy(np.load(file, allow_pickle=False)) if file.is_file() else None
