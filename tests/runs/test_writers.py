"""Samples in files: every form holds the same pixels, in a stream, whole or not at all."""

from __future__ import annotations

import weakref
import zipfile
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

import steadygan as sg
from steadygan.runs import writers
from steadygan.runs.writers import class_folders
from steadygan.types import Batch

N, CHUNK = 11, 4
LABEL = torch.tensor([2, 0, 2, 1, 1, 0, 2, 2, 0, 1, 2])
NAMES = ("ant", "bee", "cat")
Write = Callable[[Path, Iterator[Batch]], None]
IMAGES: dict[str, Write] = {
    "folder": writers.image_folder,
    "zip": writers.image_zip,
    "npz": lambda path, batches: writers.npz(path, batches, N, image=True),
    "npy": lambda path, batches: writers.npy(path, batches, N, image=True),
    "png": lambda path, batches: writers.grid(path, batches, N),
}
POINTS: dict[str, Write] = {
    "npz": lambda path, batches: writers.npz(path, batches, N, image=False),
    "npy": lambda path, batches: writers.npy(path, batches, N, image=False),
    "csv": writers.csv,
}


def pixels(channels: int = 3, height: int = 8, width: int = 8) -> NDArray[np.uint8]:
    """Random bytes, black and white among them: (n, h, w, c), grey ones (n, h, w)."""
    rng = np.random.default_rng(0)
    array = rng.integers(0, 256, (N, height, width, channels), dtype=np.uint8)
    array[0], array[1] = 0, 255
    return array[..., 0] if channels == 1 else array


def values(array: NDArray[np.uint8]) -> torch.Tensor:
    """What a generator gives where these pixels are wanted, a little off, (n, c, h, w)."""
    whole = torch.from_numpy(array if array.ndim == 4 else array[..., None]).movedim(3, 1)
    off = 0.4 * (2.0 * torch.rand(whole.shape, generator=torch.Generator().manual_seed(1)) - 1.0)
    return (whole + off) / 127.5 - 1.0


def batches(x: torch.Tensor, label: torch.Tensor | None = None) -> Iterator[Batch]:
    for first in range(0, N, CHUNK):
        part = slice(first, first + CHUNK)
        yield Batch(x[part], None if label is None else label[part])


def decoded(content: bytes) -> NDArray[np.uint8]:
    image = Image.open(BytesIO(content))
    assert image.format == "PNG"
    return np.asarray(image)


@pytest.mark.parametrize("shape", [(3, 8, 8), (1, 8, 8), (3, 4, 6), (1, 1, 1)])
class TestPixels:
    def test_of_a_folder(self, tmp_path: Path, shape: tuple[int, int, int]) -> None:
        writers.image_folder(tmp_path / "a", batches(values(pixels(*shape))))
        files = sorted((tmp_path / "a").iterdir())
        assert [file.name for file in files] == [f"{i:08d}.png" for i in range(N)]
        assert np.array_equal([decoded(file.read_bytes()) for file in files], pixels(*shape))
        assert list(tmp_path.iterdir()) == [tmp_path / "a"]

    def test_of_a_zip_stored_as_they_are(self, tmp_path: Path, shape: tuple[int, int, int]) -> None:
        for name in ("a.zip", "b.zip"):
            writers.image_zip(tmp_path / name, batches(values(pixels(*shape))))
        assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
        with zipfile.ZipFile(tmp_path / "a.zip") as archive:
            assert archive.testzip() is None
            assert archive.namelist() == [f"{i:08d}.png" for i in range(N)]
            assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
            assert np.array_equal([decoded(archive.read(name)) for name in archive.namelist()], pixels(*shape))

    def test_of_arrays(self, tmp_path: Path, shape: tuple[int, int, int]) -> None:
        writers.npy(tmp_path / "a.npy", batches(values(pixels(*shape)), LABEL), N, image=True)
        writers.npz(tmp_path / "a.npz", batches(values(pixels(*shape)), LABEL), N, image=True)
        writers.npz(tmp_path / "b.npz", batches(values(pixels(*shape))), N, image=True)
        array = np.load(tmp_path / "a.npy")
        assert array.dtype == np.uint8
        assert np.array_equal(array, pixels(*shape))
        with np.load(tmp_path / "a.npz", allow_pickle=False) as archive:
            assert archive.files == ["samples", "labels"]
            assert np.array_equal(archive["samples"], array)
            assert archive["labels"].dtype == np.int64
            assert archive["labels"].tolist() == LABEL.tolist()
        with np.load(tmp_path / "b.npz") as archive:
            assert archive.files == ["samples"]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(2,), (3, 4)])
def test_points_keep_their_numbers(tmp_path: Path, dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    x = 1e3 * torch.randn(N, *shape, generator=torch.Generator().manual_seed(0), dtype=dtype)
    for name, write in POINTS.items():
        write(tmp_path / f"a.{name}", batches(x))
    array = np.load(tmp_path / "a.npy")
    assert array.dtype == x.numpy().dtype
    assert np.array_equal(array, x.numpy())
    with np.load(tmp_path / "a.npz") as archive:
        assert np.array_equal(archive["samples"], x.numpy())
    rows = np.loadtxt(tmp_path / "a.csv", delimiter=",", dtype=array.dtype)
    assert np.array_equal(rows, x.flatten(1).numpy())


@pytest.mark.parametrize("names", [NAMES, ("zebra", "ant", "cat"), (), ("train", "test", "car"), ("a/b", "..", "c")])
@pytest.mark.parametrize("ending", ["", ".zip", ".npz"])
def test_the_reader_of_image_folders_gets_the_classes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...], ending: str
) -> None:
    monkeypatch.setenv("STEADYGAN_CACHE", str(tmp_path / "cache"))
    place, x = tmp_path / f"drawn{ending}", values(pixels())
    if ending == ".npz":
        writers.npz(place, batches(x, LABEL), N, image=True)
    else:
        write = writers.image_zip if ending else writers.image_folder
        write(place, batches(x, LABEL), class_folders(names, 3))
    back = sg.data.DATA["folder"](place)
    read = back.read(torch.arange(N)).movedim(1, 3).numpy()
    assert back.label is not None
    assert sorted((k, a.tobytes()) for k, a in zip(back.label.tolist(), read, strict=True)) == sorted(
        (k, a.tobytes()) for k, a in zip(LABEL.tolist(), pixels(), strict=True)
    )


def test_names_of_files_in_class_folders_count_all_samples(tmp_path: Path) -> None:
    writers.image_folder(tmp_path / "a", batches(values(pixels()), LABEL), (*NAMES, "dog"))
    for i, k in enumerate(LABEL.tolist()):
        assert np.array_equal(decoded((tmp_path / "a" / NAMES[k] / f"{i:08d}.png").read_bytes()), pixels()[i])
    assert not (tmp_path / "a" / "dog").exists()  # a class that was not drawn


@pytest.mark.parametrize(
    ("names", "classes", "folders"),
    [
        (NAMES, 3, NAMES),
        ((), 3, ("0", "1", "2")),
        ((), 12, tuple(f"{i:02d}" for i in range(12))),
        (tuple("0123456789"), 10, tuple("0123456789")),
        (("bee", "ant"), 2, ("0-bee", "1-ant")),
        (("ant", "ant"), 2, ("0-ant", "1-ant")),
        (("Ant", "ant"), 2, ("0-Ant", "1-ant")),  # one folder on some systems
        (("car", "train"), 2, ("0-car", "1-train")),  # a split to the reader
        (("ant", "b/c"), 2, ("0", "1")),
        (("ant", "bee "), 2, ("0", "1")),
        ((".a", "b"), 2, ("0", "1")),
        (("ant", "b" * 300), 2, ("0", "1")),
        (("ant",), 2, ("0", "1")),  # not one name for each
        (("große Katze", "été"), 2, ("große Katze", "été")),
        (("a",), 1, ("a",)),
    ],
)
def test_folders_of_classes_sort_as_the_classes_do(
    names: tuple[str, ...], classes: int, folders: tuple[str, ...]
) -> None:
    found = class_folders(names, classes)
    assert found == folders
    assert list(found) == sorted(found)


@pytest.mark.parametrize(("columns", "across", "scale"), [(None, 8, 8), (3, 3, 8), (20, 11, 8)])
def test_a_grid_holds_the_images_in_rows(tmp_path: Path, columns: int | None, across: int, scale: int) -> None:
    writers.grid(tmp_path / "a.png", batches(values(pixels())), N, columns)
    page = np.asarray(Image.open(tmp_path / "a.png").convert("RGB"))
    gap = scale // 2
    cell = 8 * scale + gap
    assert page.shape == (-(-N // across) * cell + gap, across * cell + gap, 3)
    for i in range(N):
        top, left = (i // across) * cell + gap, (i % across) * cell + gap
        found = page[top : top + 8 * scale : scale, left : left + 8 * scale : scale]
        assert np.abs(found.astype(int) - pixels()[i]).max() <= 1


def test_a_large_grid_is_a_square_of_smaller_pixels(tmp_path: Path) -> None:
    x = torch.zeros(100, 1, 8, 8)
    many = (Batch(x) for _ in range(100))
    writers.grid(tmp_path / "a.png", many, 10_000)
    width, height = Image.open(tmp_path / "a.png").size
    assert width == height == 100 * (8 * 5 + 2) + 2  # 5 is 4000 // 800


def watched(x: torch.Tensor, most: list[int]) -> Iterator[Batch]:
    """Batches, and at most how many of them were alive at a time."""
    alive: weakref.WeakSet[torch.Tensor] = weakref.WeakSet()
    for first in range(0, N, 1):
        batch = Batch(x[first : first + 1].clone())
        alive.add(batch.x)
        most[0] = max(most[0], len(alive))
        yield batch
        del batch


@pytest.mark.parametrize("form", ["folder", "zip", "npz", "npy", "png", "csv"])
def test_no_more_than_two_batches_are_alive(tmp_path: Path, form: str) -> None:
    most = [0]
    write = POINTS["csv"] if form == "csv" else IMAGES[form]
    write(tmp_path / "a", watched(values(pixels()), most))
    assert 0 < most[0] <= 2


@pytest.mark.parametrize("form", ["folder", "zip", "npz", "npy", "png", "csv"])
def test_what_stops_it_leaves_nothing(tmp_path: Path, form: str) -> None:
    def stopped() -> Iterator[Batch]:
        yield from list(batches(values(pixels()), LABEL))[:2]
        raise KeyboardInterrupt

    write: Any = POINTS["csv"] if form == "csv" else IMAGES[form]
    (tmp_path / "other").write_text("stays")
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "a", stopped())
    assert list(tmp_path.iterdir()) == [tmp_path / "other"]
