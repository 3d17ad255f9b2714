"""Tiny image sets on disk: MNIST's files, and class folders of JPEGs."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

NAMES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def idx(array: NDArray[np.uint8]) -> bytes:
    """An array as an IDX file holds it."""
    head = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
    return head + array.tobytes()


def mnist(folder: Path, train: int = 120, test: int = 60) -> Path:
    """MNIST's four files, gzipped: each digit a blurred block at a place of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for n, (images, labels) in zip((train, test), (NAMES[:2], NAMES[2:]), strict=True):
        digit = np.arange(n) % 10
        x = rng.integers(0, 60, (n, 28, 28))
        for i, d in enumerate(digit):
            x[i, 2 * d : 2 * d + 8, 4:24] += 180
        (folder / f"{images}.gz").write_bytes(gzip.compress(idx(x.astype(np.uint8))))
        (folder / f"{labels}.gz").write_bytes(gzip.compress(idx(digit.astype(np.uint8))))
    return folder


def photographs(folder: Path, classes: int = 10, each: int = 12, size: int = 32) -> Path:
    """Class folders of JPEGs: each class a colour, with noise."""
    rng = np.random.default_rng(1)
    for k in range(classes):
        place = folder / f"class{k:03d}"
        place.mkdir(parents=True, exist_ok=True)
        colour = rng.integers(40, 215, 3)
        for i in range(each):
            noise = rng.normal(0.0, 30.0, (size, size, 3))
            Image.fromarray(np.clip(colour + noise, 0, 255).astype(np.uint8)).save(place / f"{i:03d}.jpg")
    return folder


def tiny_imagenet(folder: Path, classes: int = 200) -> Path:
    """Tiny ImageNet's own layout: one training image a class, three held-out ones, with their table of classes."""
    names = [f"n{k:08d}" for k in range(classes)]

    def picture(place: Path, value: int) -> None:
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (64, 64), (value, 0, 255 - value)).save(place)

    for k, name in enumerate(names):
        picture(folder / "train" / name / "images" / f"{name}_0.JPEG", k)
        (folder / "train" / name / f"{name}_boxes.txt").write_text("", encoding="utf-8")
    lines = []
    for i, k in enumerate((classes - 1, 0, 7)):
        picture(folder / "val" / "images" / f"val_{i}.JPEG", k)
        lines.append(f"val_{i}.JPEG\t{names[k]}\t0\t0\t62\t62\n")
    (folder / "val" / "val_annotations.txt").write_text("".join(lines), encoding="utf-8")
    return folder
