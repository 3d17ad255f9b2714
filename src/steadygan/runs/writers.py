"""Samples written as they are drawn, a few hundred in memory at a time: image files, arrays, a table, a grid.

Each function takes batches as `Run.stream` gives them, and leaves the whole result or none. Images are written as the
pixels of `to_pixels`, other samples as the numbers they are.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from csv import QUOTE_NONNUMERIC, writer
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ..data.images.layout import HELD_OUT
from ..data.images.listing import JUNK
from ..files import beside
from ..pixels import to_pixels
from ..types import Batch

Batches = Iterable[Batch]

SAFE = re.compile(r"\w(?:[\w .,()+&'-]*[\w)])?")  # a folder's name on every platform
READ_OTHERWISE = {name.casefold() for name in ("train", *HELD_OUT, *JUNK)}  # folders that are no class
WIDE = 4000  # pixels of a grid, where the images are not wider themselves
DRAWN = 64  # pixels of a small image in a grid


def image_folder(path: Path, batches: Batches, folders: Sequence[str] | None = None) -> None:
    """00000000.png, 00000001.png, ... in a new folder; folders: one for each class, for batches with labels.

    Raises InputError when the system refuses to write, as all functions here do.
    """
    with beside(path, folder=True) as part:
        for name, content in _files(batches, folders):
            (part / name).parent.mkdir(exist_ok=True)
            (part / name).write_bytes(content)


def image_zip(path: Path, batches: Batches, folders: Sequence[str] | None = None) -> None:
    """The files of `image_folder` in a .zip, stored as they are; the same samples give the same bytes."""
    with beside(path) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as archive:
        for name, content in _files(batches, folders):
            archive.writestr(zipfile.ZipInfo(name), content)


def npz(path: Path, batches: Batches, n: int, image: bool) -> None:
    """`samples`, as in `npy`, and where there are classes `labels` (n,) int64."""
    label: list[NDArray[np.int64]] = []

    def noted() -> Iterator[Batch]:
        for batch in batches:
            if batch.label is not None:
                label.append(batch.label.cpu().numpy())
            yield batch

    with beside(path) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as archive:
        with archive.open(zipfile.ZipInfo("samples.npy"), "w", force_zip64=True) as stream:
            _write_array(stream, noted(), n, image)
        if label:
            with archive.open(zipfile.ZipInfo("labels.npy"), "w") as stream:
                np.lib.format.write_array(stream, np.concatenate(label))


def npy(path: Path, batches: Batches, n: int, image: bool) -> None:
    """Images as uint8 (n, h, w, 3), grey ones as (n, h, w); other samples as numbers (n, *shape)."""
    with beside(path) as part, part.open("wb") as stream:
        _write_array(stream, batches, n, image)


def csv(path: Path, batches: Batches, columns: Sequence[str] = ()) -> None:
    """One sample in each line, with all digits of its numbers; columns: names for a header."""
    with beside(path) as part, part.open("w", encoding="utf-8", newline="") as stream:
        if columns:
            writer(stream, lineterminator="\n", quoting=QUOTE_NONNUMERIC).writerow(columns)
        for batch in batches:
            rows = batch.x.flatten(1).cpu().numpy()
            np.savetxt(stream, rows, delimiter=",", fmt=f"%.{np.finfo(rows.dtype).precision + 3}g")


def grid(path: Path, batches: Batches, n: int, columns: int | None = None) -> None:
    """One picture of n images, row by row; columns: 8 or, for more than 64 images, as many as rows."""
    from ..viz import images

    columns = columns or max(8, int(np.ceil(np.sqrt(n))))
    page, scale, done = None, 1, 0
    for batch in batches:
        height, width = batch.x.shape[2:]
        if page is None:
            scale = max(1, min(round(DRAWN / max(height, width)), WIDE // (min(columns, n) * width)))
            page = images.blank(n, height, width, columns, scale)
        images.paint(page, batch.x.cpu().numpy(), scale, done)
        done += batch.size
    assert page is not None
    with beside(path) as part:
        images.save(page, part)


def class_folders(names: Sequence[str], classes: int) -> tuple[str, ...]:
    """Names of folders for the classes 0, 1, ..., which sort in this order: a reader numbers them by their names.

    names: of the classes, or nothing; used as they are if they sort in this order and are valid on every system, else
    after their numbers.
    """
    digits = len(str(classes - 1))
    numbers = [f"{i:0{digits}d}" for i in range(classes)]
    if len(names) != classes:
        return tuple(numbers)
    plain = all(SAFE.fullmatch(name) and len(name) <= 100 for name in names)
    folded = {name.casefold() for name in names}
    sort_so = list(names) == sorted(names) and len(folded) == classes
    if plain and sort_so and folded.isdisjoint(READ_OTHERWISE):
        return tuple(names)
    return tuple(f"{number}-{name}" for number, name in zip(numbers, names, strict=True)) if plain else tuple(numbers)


def _files(batches: Batches, folders: Sequence[str] | None) -> Iterator[tuple[str, bytes]]:
    """Names and contents of image files; the number in a name counts all samples, of whatever class."""
    from PIL import Image

    done = 0
    for batch in batches:
        label = [] if folders is None or batch.label is None else batch.label.tolist()
        for i, pixels in enumerate(_pixels(batch.x)):
            content = BytesIO()
            Image.fromarray(pixels).save(content, "PNG")
            place = f"{folders[label[i]]}/" if folders and label else ""
            yield f"{place}{done + i:08d}.png", content.getvalue()
        done += batch.size


def _pixels(x: Tensor) -> NDArray[np.uint8]:
    """Images (n, c, h, w) as uint8 (n, h, w, 3), grey ones (n, h, w)."""
    array: NDArray[np.uint8] = to_pixels(x).movedim(1, 3).cpu().numpy()
    return array[..., 0] if array.shape[3] == 1 else array


def _write_array(stream: IO[bytes], batches: Batches, n: int, image: bool) -> None:
    """A .npy file of n samples, batch by batch."""
    head: Callable[[Any, dict[str, Any]], None] = np.lib.format.write_array_header_1_0
    for i, batch in enumerate(batches):
        array: NDArray[Any] = _pixels(batch.x) if image else batch.x.cpu().numpy()
        if i == 0:
            kind = np.lib.format.dtype_to_descr(array.dtype)
            head(stream, {"descr": kind, "fortran_order": False, "shape": (n, *array.shape[1:])})
        stream.write(np.ascontiguousarray(array).tobytes())
