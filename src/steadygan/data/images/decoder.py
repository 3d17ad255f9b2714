"""The images of a folder or zip, decoded once into files of plain bytes that are mapped into memory ever after."""

from __future__ import annotations

import os
import shutil
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from hashlib import blake2b
from math import prod
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...errors import InputError
from ...places import cache_folder
from ..cache import FORMAT, Card, cached
from ..samples import SMALLEST, Mapped, Progress
from .layout import Layout, Split
from .listing import Entry, Listing, by, shown
from .picture import Picture, UnreadableError, decode

BLOCK = 8 * 1024**2  # bytes of pixels that are decoded before they are written
MOST = 1024  # images of a block
THREADED = 256 * 256  # pixels of an image from which on decoding outweighs what handing it to a thread costs
DONE = {  # what may happen to an image, of one of them and of several
    "enlarged": ("is enlarged", "are enlarged"),
    "grey": ("grey one is made RGB", "grey ones are made RGB"),
    "colour": ("in colour is made grey", "in colour are made grey"),
    "transparent": ("transparent one is laid over white", "transparent ones are laid over white"),
    "deep": ("of 16 bits is divided by 257", "of 16 bits are divided by 257"),
    "animated": ("animated one gives its first frame", "animated ones give their first frame"),
}


def decoded_images(
    listing: Listing, layout: Layout, size: int | None, channels: int | None, progress: Progress | None
) -> tuple[Path, Card]:
    """The folder of pixels (n, c, h, w) uint8 of the images in `layout`, decoded now or earlier, and its card.

    The cache folder's `images/<key>` holds train.u8 and held_out.u8 without headers, train_label.npy and
    held_out_label.npy, and card.json. The key is a hash of what the zip's directory or the file system says of the
    files, of `size` and of `channels`. Raises InputError as `Decoder` and `cached` do.
    """
    key = blake2b(f"{FORMAT} {size} {channels}\n".encode(), digest_size=16)
    for entry in (*layout.entries, *listing.annotations):
        key.update(f"{entry.path}\0{entry.size} {entry.stamp}\n".encode("utf-8", "surrogatepass"))
    folder = cache_folder() / "images" / key.hexdigest()

    def build(part: Path) -> Card:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"PIL\b")  # of notes beside the pixels, and of large images
            return Decoder(listing, layout, size, channels).write(part, progress)

    return folder, cached(folder, build, progress)


def read_part(folder: Path, card: Card, name: str) -> tuple[Mapped, Tensor | None]:
    """The pixels of "train" or "held_out" in a folder of `decoded_images`, and their labels (n,) int64."""
    file = folder / f"{name}_label.npy"
    label = torch.from_numpy(np.load(file, allow_pickle=False)) if file.is_file() else None
    return Mapped(folder / f"{name}.u8", card["count"][name], tuple(card["shape"])), label


class Decoder:
    """Decodes the images of a folder or zip, all to one size and kind: as told, else those of the first image.

    Raises InputError for a first image that is not square or too small, and while it decodes for one that is broken,
    far too large, or of another size or kind than the first where nothing was told.
    """

    def __init__(self, listing: Listing, layout: Layout, size: int | None, channels: int | None) -> None:
        self.listing, self.layout, self.size, self.channels = listing, layout, size, channels
        self.name = shown(listing.name)
        self.first = self._decoded(layout.entries[0])
        width, height = self.first.size
        if size is None and width != height:
            got = f"{by(self.first.size)} pixels: add size=64 where you train, or cut them"
            raise InputError(f"expected square images in {self.name}, got {got}")
        if size is None and width < SMALLEST:
            least, got = by((SMALLEST, SMALLEST)), f"{by(self.first.size)}: use larger ones, or add size=8"
            raise InputError(f"expected images of at least {least} pixels in {self.name}, got {got}")
        self.shape: tuple[int, ...] = self.first.pixels.shape
        self._sizes: set[tuple[int, int]] = set()
        self._done: Counter[str] = Counter()

    def write(self, part: Path, progress: Progress | None) -> Card:
        """Fills the folder `part`, and says what is in it."""
        splits: dict[str, Split | None] = {"train": self.layout.train, "held_out": self.layout.held_out}
        what, done, total = f"decoding {self.name}", 0, len(self.layout.entries)
        needed, free = total * prod(self.shape), shutil.disk_usage(part).free
        if needed > free:
            raise InputError(
                f"expected {needed / 1e9:,.1f} GB of free room for the decoded images in {str(part.parent)!r}, got "
                f"{free / 1e9:,.1f}: make room, choose a smaller size, or set STEADYGAN_CACHE to a folder elsewhere"
            )
        digest = blake2b(digest_size=16)
        threads = min(4, os.cpu_count() or 1) if prod(self.first.size) >= THREADED else 1
        with ThreadPoolExecutor(threads) if threads > 1 else nullcontext() as pool:
            for name, chosen in splits.items():
                if chosen is None:
                    continue
                with (part / f"{name}.u8").open("wb") as file:
                    for block in self._blocks(chosen.entries, pool):
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
        sizes = sorted(self._sizes, key=lambda size: (prod(size), size))
        several = f"of {len(sizes):,} sizes ({by(sizes[0])} to {by(sizes[-1])})"
        return {
            "shape": self.shape,
            "count": {name: len(chosen.entries) if chosen else 0 for name, chosen in splits.items()},
            "class_names": self.layout.class_names,
            "found": f"of {by(sizes[0])}" if len(sizes) == 1 else several,
            "done": [f"{n:,} {words[n > 1]}" for key, words in DONE.items() if (n := self._done[key])],
            "resized": self._sizes != {self.shape[1:]},
            "digest": digest.hexdigest(),
        }

    def _blocks(self, entries: Sequence[Entry], pool: ThreadPoolExecutor | None) -> Iterator[NDArray[np.uint8]]:
        """Decoded images, a block (k, c, h, w) at a time, in order."""
        count = max(1, min(MOST, BLOCK // prod(self.shape)))
        for start in range(0, len(entries), count):
            chosen = entries[start : start + count]
            block = np.empty((len(chosen), *self.shape), dtype=np.uint8)
            pictures = map(self._decoded, chosen) if pool is None else pool.map(self._decoded, chosen)
            for i, (entry, picture) in enumerate(zip(chosen, pictures, strict=True)):
                self._count(entry, picture)
                block[i] = picture.pixels
            yield block

    def _decoded(self, entry: Entry) -> Picture:
        try:
            return decode(self.listing.read(entry), self.size, self.channels)
        except UnreadableError as error:
            raise InputError(
                f"expected a whole image in {shown(entry.path)} of {self.name}, got {error}: mend or remove it"
            ) from None

    def _count(self, entry: Entry, picture: Picture) -> None:
        """Remembers what was done to an image, and refuses one that is unlike the first."""
        first, here = shown(self.layout.entries[0].path), shown(entry.path)
        if self.size is None and picture.size != self.first.size:
            got = f"{by(picture.size)} ({here}) after {by(self.first.size)} ({first})"
            advice = "add size=64 where you train, or save them alike"
            raise InputError(f"expected images of one square size in {self.name}, got {got}: {advice}")
        if self.channels is None and picture.grey != self.first.grey:
            kind, other = ("a grey one", "a colour one") if picture.grey else ("a colour one", "a grey one")
            advice = "add channels=3 or channels=1 where you train, or save them alike"
            got = f"{kind} ({here}) after {other} ({first})"
            raise InputError(f"expected images of one kind in {self.name}, got {got}: {advice}")
        self._sizes.add(picture.size)
        colour = self.shape[0] == 3
        self._done["enlarged"] += min(picture.size) < self.shape[1]
        self._done["grey"] += picture.grey and colour
        self._done["colour"] += not picture.grey and not colour
        for key in ("transparent", "deep", "animated"):
            self._done[key] += getattr(picture, key)
