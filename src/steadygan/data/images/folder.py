"""The user's own images: a folder or .zip of image files, or an array of images."""

from __future__ import annotations

from pathlib import Path

import torch

from ...config.data import Folder
from ...errors import InputError, check_number, check_whole
from ...places import given_place
from ..arrays import dark, images_of_array
from ..cache import Card
from ..samples import SMALLEST, Progress, at_hand
from ..source import DATA, Source
from .decoder import decoded_images, read_part
from .layout import Layout, arrange
from .listing import Listing, by, opened, several, shown

LICENCE = "user's own data: unknown"
LOSSY = (".jpg", ".jpeg")


@DATA.register("folder")
def folder(
    path: str | Path,
    size: int | None = Folder.size,
    channels: int | None = Folder.channels,
    flip: bool = Folder.flip,
    workers: int | None = Folder.workers,
    max_gib: float = Folder.max_gib,
    progress: Progress | None = None,
) -> Source:
    """Images (c, size, size) of the user's own: a folder or .zip of JPEG, PNG, WebP or BMP files, or a .npy or .npz.

    `train` beside `val`, `valid`, `validation` or `test` gives held-out images, class folders give classes. size,
    channels (1 or 3): every image is cropped to its central square, resized and converted; None where all are alike
    already. Decoded once, into the cache folder (STEADYGAN_CACHE). max_gib: most that a zip may hold, unpacked; it is
    read in place. progress: (what is done, how much, of how much). Raises InputError for whatever is missing, broken,
    of differing sizes or kinds, or unsafe, and names it.
    """
    place = given_place(path, "images")
    if size is not None:
        check_whole("size", size, SMALLEST)
    if channels not in (None, 1, 3):
        raise InputError(f"expected channels of 1 (grey) or 3 (RGB), got {channels!r}: change channels")
    if workers is not None:
        check_whole("workers", workers, 0)
    check_number("max_gib", max_gib, 0, above=True)
    if place.suffix.lower() in (".npy", ".npz") and place.is_file():
        return images_of_array(place, size, channels, flip, workers, LICENCE)
    with opened(place, max_gib) as listing:
        layout = arrange(listing)
        place, card = decoded_images(listing, layout, size, channels, progress)
    mapped, label = read_part(place, card, "train")
    train, workers = at_hand(mapped, workers)
    held_out, held_out_label = None, None
    if card["count"]["held_out"]:
        kept, held_out_label = read_part(place, card, "held_out")
        held_out = kept.read(torch.arange(len(kept)))
    return Source(
        listing.name,
        mapped.shape,
        train=train,
        label=label,
        held_out=held_out,
        held_out_label=held_out_label,
        image=True,
        class_names=tuple(card["class_names"]),
        nearest_classes=False,
        lossy=sum(entry.path.lower().endswith(LOSSY) for entry in listing.images),
        flip=flip,
        workers=workers,
        digest=card["digest"],
        licence=LICENCE,
        notes=_notes(listing, layout, card),
    )


def _notes(listing: Listing, layout: Layout, card: Card) -> tuple[str, ...]:
    """What was there, and what is done to it, in a line; then what else a user might not expect."""
    train, held_out = card["count"]["train"], card["count"]["held_out"]
    beside = f" and {held_out:,} held-out {'one' if held_out == 1 else 'ones'}" if held_out else ""
    what = [f"{several(train, 'image')}{beside} {card['found']}"]
    if layout.class_names:
        what.append(f"{len(layout.class_names):,} classes")
    done = list(card["done"])
    if listing.others:
        done.append(f"{several(listing.others, 'other file')} {'is' if listing.others == 1 else 'are'} ignored")
    _, height, width = card["shape"]
    said = f"each is cropped to its central square and resized to {by((width, height))}" if card["resized"] else ""
    if done:
        said += f" ({', '.join(done)})" if said else ", ".join(done)
    line = f"{shown(listing.name)}: {', '.join(what)}{f'; {said}' if said else ''}"
    return (line, *dark(card["brightest"]), *layout.remarks)
