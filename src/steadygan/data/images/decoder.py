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
from ..cache import Card, cached
from ..samples import SMALLEST, Mapped, Progress
from .layout import Layout, Split
from .listing import Entry, Listing, by, shown
from .picture import Picture, UnreadableError, decode

BLOCK = 8 * 1024**2  # bytes of pixels that are decoded before they are written
MOST = 1024  # images of a block
MADE = 2  # goes up where other pixels are made of an image, or more is said of it
THREADED = 256 * 256  # pixels of an image from which on decoding outweighs what handing it to a thread costs
DONE = {  # what may happen to an image, of one of them and of several
    "enlarged": ("is enlarged", "are enlarged"),
    "grey": ("grey one is converted to RGB", "grey ones are converted to RGB"),
    "colour": ("in colour is converted to grey", "in colour are converted to grey"),
    "transparent": ("transparent one is composited over white", "transparent ones are composited over white"),
    "deep": ("of 16 bits is divided by 257", "of 16 bits are divided by 257"),
    "animated": ("animation is reduced to its first frame", "animations are reduced to their first frames"),
}


def decoded_images(
    listing: Listing, layout: Layout, size: int | None, channels: int | None, progress: Progress | None
) -> tuple[Path, Card]:
    """The folder of pixels (n, c, h, w) uint8 of the images in `layout`, decoded now or earlier, and its card.

    The cache folder's `images/<key>` holds train.u8 and held_out.u8 without headers, train_label.npy and
    held_out_label.npy, and card.json. The key is a hash of what the zip's directory or the file system says of the
    files, of `size` and of `channels`. Raises InputError as `Decoder` and `cached` do.
    """
    key = blake2b(f"{MADE} {size} {channels}\n".encode(), digest_size=16)
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
    """Decodes the images of a folder or zip, all to one size and kind: as asked for, or their own and the usual.

    Raises InputError, once all have been looked at, for images that are broken, far too large, or, where no size was
    told, of several sizes, not square or too small.
    """

    def __init__(self, listing: Listing, layout: Layout, size: int | None, channels: int | None) -> None:
        self.listing, self.layout, self.size, self.channels = listing, layout, size, channels
        self.name = shown(listing.name)
        self._begin()
        found = (each for each in map(self._decoded, layout.entries) if isinstance(each, Picture))
        first = next(found, None)
        self.shape: tuple[int, ...] = (1, 1, 1) if first is None else first.pixels.shape  # none: reported in the end
        self.large = first is not None and prod(first.size) >= THREADED

    def _begin(self) -> None:
        self._sizes: dict[tuple[int, int], Entry] = {}  # and the first image of each
        self._kinds: Counter[bool] = Counter()  # grey or not
        self._broken: list[tuple[Entry, UnreadableError]] = []
        self._done: Counter[str] = Counter()
        self._brightest = 0

    @property
    def _mixed(self) -> bool:
        return self.channels is None and len(self._kinds) > 1

    @property
    def _unfit(self) -> bool:
        """Whether a size must be given."""
        if self.size is not None or len(self._sizes) > 1:
            return self.size is None
        return any(width != height or width < SMALLEST for width, height in [*self._sizes])

    def write(self, part: Path, progress: Progress | None) -> Card:
        """Fills the folder `part`, and says what is in it."""
        splits: dict[str, Split | None] = {"train": self.layout.train, "held_out": self.layout.held_out}
        what, done, total = f"decoding {self.name}", 0, len(self.layout.entries)
        needed, free = total * prod(self.shape), shutil.disk_usage(part).free
        if needed > free:
            raise InputError(
                f"expected {needed / 1e9:,.1f} GB of free space for the decoded images in {str(part.parent)!r}, got "
                f"{free / 1e9:,.1f}: free some space, choose a smaller size, or set STEADYGAN_CACHE to another folder"
            )
        digest = blake2b(digest_size=16)
        threads = min(4, os.cpu_count() or 1) if self.large else 1
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
                            self._brightest = max(self._brightest, int(block.max()))
                if chosen.label is not None:
                    label = np.asarray(chosen.label, dtype=np.int64)
                    np.save(part / f"{name}_label.npy", label)
                    if name == "train":
                        digest.update(label.data)
        if self._broken or self._unfit:
            raise InputError("; ".join(self._faults()))
        if self._mixed:
            self.channels = 1 if self._kinds[True] > self._kinds[False] else 3
            self.shape = (self.channels, *self.shape[1:])
            self._begin()
            return self.write(part, progress)
        if progress is not None:
            progress(what, total, total)
        sizes = sorted(self._sizes, key=lambda size: (prod(size), size))
        mixture = f"of {len(sizes):,} sizes ({by(sizes[0])} to {by(sizes[-1])})"
        return {
            "shape": self.shape,
            "count": {name: len(chosen.entries) if chosen else 0 for name, chosen in splits.items()},
            "class_names": self.layout.class_names,
            "found": f"of {by(sizes[0])}" if len(sizes) == 1 else mixture,
            "done": [f"{n:,} {words[n > 1]}" for key, words in DONE.items() if (n := self._done[key])],
            "resized": self._sizes.keys() != {self.shape[1:]},
            "digest": digest.hexdigest(),
            "brightest": self._brightest,
        }

    def _blocks(self, entries: Sequence[Entry], pool: ThreadPoolExecutor | None) -> Iterator[NDArray[np.uint8]]:
        """Decoded images, a block (k, c, h, w) at a time, in order."""
        count = max(1, min(MOST, BLOCK // prod(self.shape)))
        for start in range(0, len(entries), count):
            chosen = entries[start : start + count]
            block = np.empty((len(chosen), *self.shape), dtype=np.uint8)
            pictures = map(self._decoded, chosen) if pool is None else pool.map(self._decoded, chosen)
            for i, (entry, picture) in enumerate(zip(chosen, pictures, strict=True)):
                if isinstance(picture, UnreadableError):
                    self._broken.append((entry, picture))
                    continue
                self._count(entry, picture)
                if not (self._unfit or self._mixed):
                    block[i] = picture.pixels
            yield block

    def _decoded(self, entry: Entry) -> Picture | UnreadableError:
        """The picture; its header alone once it is known that these pixels will not be used."""
        try:
            return decode(self.listing.read(entry), self.size, self.channels, header=self._unfit or self._mixed)
        except UnreadableError as error:
            return error

    def _count(self, entry: Entry, picture: Picture) -> None:
        """Remembers what was found, and what was done to it."""
        self._sizes.setdefault(picture.size, entry)
        self._kinds[picture.grey] += 1
        colour = self.shape[0] == 3
        self._done["enlarged"] += min(picture.size) < self.shape[1]
        self._done["grey"] += picture.grey and colour
        self._done["colour"] += not picture.grey and not colour
        for key in ("transparent", "deep", "animated"):
            self._done[key] += getattr(picture, key)

    def _faults(self) -> Iterator[str]:
        """All that keeps these images from being used."""
        if self._broken:
            (entry, why), *others = self._broken
            more = f" ({len(others):,} more such, as {shown(others[0][0].path)})" if others else ""
            it = "it" if not others else "them"
            yield f"expected a whole image in {shown(entry.path)} of {self.name}, got {why}{more}: fix or remove {it}"
        if not self._unfit:
            return
        sizes = sorted(self._sizes, key=lambda size: (prod(size), size))
        least, most = sizes[0], sizes[-1]
        kinds = ""
        if self._mixed:
            kinds = f", {self._kinds[True]:,} grey and {self._kinds[False]:,} in colour"
        if len(sizes) > 1:
            span = " to ".join(f"{by(size)} ({shown(self._sizes[size].path)})" for size in (least, most))
            advice = "add size=64 to the command, or save them in one size"
            yield f"expected images of one square size in {self.name}, got {len(sizes):,} from {span}{kinds}: {advice}"
        elif least[0] != least[1]:
            advice = "add size=64 to the command, or crop them"
            yield f"expected square images in {self.name}, got {by(least)} pixels{kinds}: {advice}"
        else:
            least_allowed, got = by((SMALLEST, SMALLEST)), f"{by(least)}: use larger ones, or add size=8"
            yield f"expected images of at least {least_allowed} pixels in {self.name}, got {got}"
