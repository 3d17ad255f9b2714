"""Images at the command line: a user's own, MNIST's files, classes, first weights, and what is refused."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import pictures

Run = Callable[..., Any]
Several = Callable[[Sequence[Sequence[str]], Path], list[Any]]
QUICK = ["--iterations", "2", "evaluate.n=100", "device=cpu", "threads=1"]
SMALL = ["--scale", "small", "generator.width=4", "discriminator.width=4", *QUICK]


def own_images(folder: Path) -> Path:
    """A user's folder: two classes of files of many sizes, kinds and formats."""
    rng = np.random.default_rng(2)

    def picture(width: int, height: int, mode: str = "RGB") -> Image.Image:
        channels = {"L": (), "RGB": (3,), "RGBA": (4,)}[mode]
        return Image.fromarray(rng.integers(0, 256, (height, width, *channels), dtype=np.uint8), mode)

    for i in range(6):
        for name in ("cats", "dogs"):
            (folder / name).mkdir(parents=True, exist_ok=True)
            picture(20 + 3 * i, 30 - i).save(folder / name / f"{i}.jpg")
    picture(40, 40, "L").save(folder / "cats" / "grey.png")
    picture(8, 9, "RGBA").save(folder / "dogs" / "clear.webp", lossless=True)
    (folder / "dogs" / "notes.txt").write_text("not an image", encoding="utf-8")
    return folder


def prepare(folder: Path) -> None:
    own_images(folder / "mine")
    pictures.mnist(folder / "mnist")
    for name in ("flat", "copy", "among"):
        pictures.photographs(folder / name, classes=1, each=5, size=16)
    (folder / "empty").mkdir()
    (folder / "words").mkdir()
    (folder / "words" / "readme.txt").write_text("words", encoding="utf-8")
    broken = folder / "broken"
    broken.mkdir()
    good = next((folder / "flat").rglob("*.jpg")).read_bytes()
    (broken / "a.jpg").write_bytes(good)
    (broken / "b.jpg").write_bytes(b"\xff\xd8 no image")
    (folder / "note.txt").write_text("words", encoding="utf-8")
    tiny = folder / "tiny"
    tiny.mkdir()
    Image.new("RGB", (4, 4)).save(tiny / "a.png")
    Image.new("RGB", (20, 20)).save(tiny / "b.png")
    for name, entry in (("escape.zip", "../a.jpg"), ("large.zip", "a.jpg")):
        with zipfile.ZipFile(folder / name, "w") as archive:
            archive.writestr(entry, good)
    np.savez(folder / "pixels.npz", images=np.zeros((9, 16, 16, 3), dtype=np.uint8))
    bomb = BytesIO()
    Image.new("L", (1, 1)).save(bomb, "PNG")
    header = bytearray(bomb.getvalue())
    header[16:24] = (20_000).to_bytes(4, "big") * 2
    import zlib

    header[29:33] = zlib.crc32(bytes(header[12:29])).to_bytes(4, "big")
    (folder / "bomb").mkdir()
    (folder / "bomb" / "bomb.png").write_bytes(bytes(header))


TRAINED = {
    "own": ["train", "folder/far", "--data", "mine", "size=16", "channels=3", "--out", "own", *SMALL],
    "classes": [
        "train", "folder/far", "--data", "mine", "size=16", "channels=3", "conditional=true", "--out", "classes", *SMALL
    ],
    "default": ["train", "--data", "flat", "--out", "default", *SMALL],
    "mnist": ["train", "mnist/cgan-far", "--data", "mnist", "--out", "mnist-run", *SMALL],
    "moved": ["train", "--out", "default", "--resume", "--data", "copy", "workers=1", *SMALL],
    "array": ["train", "--data", "pixels.npz", "--out", "array", *SMALL],
    "among": ["train", "--data", "among", "--out", "among/run", *SMALL],
    "among again": ["train", "--data", "among", "--out", "among/run", "--resume", *SMALL],
    "continue": ["train", "folder/far", "--data", "mine", "size=16", "channels=3", "--out", "own", "--resume", *SMALL],
    "from": [
        "train", "folder/r1", "--data", "mine", "size=16", "channels=3", "flip=true", "--init-from", "own",
        "--out", "from", *SMALL,
    ],
    "sample": ["sample", "classes", "-n", "30", "--out", "drawn.zip", "--label", "dogs"],
    "folder": ["sample", "classes", "-n", "40", "--out", "drawn"],
    "again": ["train", "folder/far", "--data", "drawn", "--out", "again", "conditional=true", *SMALL],
    "export": ["export", "classes"],
}  # fmt: skip


@pytest.fixture(scope="session")
def trained(once: Callable[..., Any], commands: Several) -> tuple[Path, dict[str, Any]]:
    def make(folder: Path) -> dict[str, Any]:
        prepare(folder)
        return dict(zip(TRAINED, commands(list(TRAINED.values()), folder), strict=True))

    return once("images", make)


@pytest.mark.parametrize("name", TRAINED)
def test_it_succeeds_in_silence(name: str, trained: tuple[Path, dict[str, Any]]) -> None:
    _, answers = trained
    assert (answers[name].code, answers[name].complaints) == (0, []), answers[name]


def test_a_folder_is_told_of_before_training(trained: tuple[Path, dict[str, Any]]) -> None:
    _, answers = trained
    said = answers["own"].err
    told = "mine: 14 images of 8 sizes (8 x 9 to 40 x 40), 2 classes; each is cropped to its central square"
    assert told in said
    assert said.index(told) < said.index("2/2")
    assert "1 grey" in said
    assert "transparent" in said


def test_settings_name_the_data_and_the_scale(trained: tuple[Path, dict[str, Any]]) -> None:
    folder, _ = trained
    settings = json.loads((folder / "own" / "settings.json").read_text())
    assert settings["scale"] == "small"
    assert settings["data"] | {"path": "mine", "size": 16, "channels": 3} == settings["data"]
    assert json.loads((folder / "from" / "settings.json").read_text())["init_from"] == "own"


def test_classes_go_round(trained: tuple[Path, dict[str, Any]]) -> None:
    """A conditional run's folder of samples is a data set with the same classes."""
    folder, answers = trained
    with zipfile.ZipFile(folder / "drawn.zip") as archive:
        assert len(archive.namelist()) == 30
    assert sorted(path.name for path in (folder / "drawn").iterdir()) == ["cats", "dogs"]
    assert "40 images of 16 x 16, 2 classes" in answers["again"].err
    card = json.loads((folder / "classes" / "export" / "card.json").read_text())
    assert card["data"]["licence"].startswith("user's own data")


REFUSED = {
    "train folder/far": "expected your images, got none: add --data FOLDER",
    "train folder/far --data nowhere": "expected a folder or file of images at 'nowhere', found none: check the path",
    "train folder/far --data empty": "expected images in 'empty', got an empty folder",
    "train folder/far --data words": "words",
    "train folder/far --data note.txt": "expected a folder, or a .zip, .npy, .npz file of images, got 'note.txt'",
    "train folder/far --data broken": "b.jpg",
    "train folder/far --data mine channels=3": "add size=64",
    "train folder/far --data mine": "to 40 x 40 (cats/",
    "train folder/far --data tiny": "in tiny, got 2 from 4 x 4 (a.png) to 20 x 20 (b.png): add size=64",
    "train folder/far --data tiny size=4": "data.size: expected a whole number from 8 to 1024, or none, got 4",
    "train folder/far --data flat channels=2": "data.channels: expected 1 (grey) or 3 (colour), or none, got 2",
    "train folder/far --data flat size=18": "18",
    "train folder/far --data flat conditional=true": "expected images with classes",
    "train folder/far --data escape.zip": "../a.jpg",
    "train folder/far --data large.zip max_gib=0.0000001": "data.max_gib",
    "train folder/far --data bomb": "bomb.png",
    "train folder/far --data mine size=30 channels=3": "images of side 30, got dcgan, which is for 8, 12, or 16",
    "train folder/far --data flat --out flat": "expected a folder for the run, got the folder of its data, 'flat'",
    "train digits/far --data flat": "use folder/far --data flat",
    "train digits/far --data pixels.npz": "use folder/far --data pixels.npz",
    "train mnist/cgan-far data.name=folder --data flat size=9": "expected a network for images of side 9, got dcgan",
    "train folder/far --data flat workers=-1": "data.workers: expected a whole number of 0 or more, or none, got -1",
    "train mnist/far --data empty": "empty",
    "train mnist/far --data words": "train-images",
    "train mnist/far --scale tiny": "unknown scale 'tiny': known: full, small",
    "train mnist/far scale=small": "scale: expected as an option, got scale=...: write --scale small",
    "train ring8/far --data flat": "ring8/far: expected no --data",
    "train points/far --data flat": "use folder/far --data flat",
    "train mnist/far --data mnist --init-from nowhere": "expected a run in 'nowhere' to take weights from, found none",
    "train mnist/far --data mnist --init-from own": "cannot start from the weights of own: the checkpoint is of",
    "train mnist/far generator=mlp discriminator=mlp conditional=true": "expected dcgan with conditional=true",
    "train mnist/cgan-far method.packing=2": "expected no packing with conditional=true",
    "sample own --label 1": "label",
    "sample classes --label 2": "2",
    "sample own --out x.csv": "csv",
}


@pytest.fixture(scope="session")
def refused(once: Callable[..., Any], commands: Several, trained: Any) -> dict[str, Any]:
    folder, _ = trained

    def make(_: Path) -> dict[str, Any]:
        words = [[*line.split(), *(SMALL[4:] if line.startswith("train") else [])] for line in REFUSED]
        return dict(zip(REFUSED, commands(words, folder), strict=True))

    answers: dict[str, Any] = once("images-refused", make)[1]
    return answers


@pytest.mark.parametrize("words", REFUSED)
def test_bad_input_is_one_line_and_exit_code_2(words: str, refused: dict[str, Any]) -> None:
    assert REFUSED[words] in refused[words].refused()
