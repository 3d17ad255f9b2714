"""Images drawn from a conditional run in every form, and its generator exported, by command."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

NAMES = ("ant", "bee", "cat")
TRAIN = [
    *["train", "folder/far", "--data", "pictures", "--iterations", "2", "--out", "run", "conditional=true"],
    *["generator.width=2", "discriminator.width=2", "latent_dim=4", "batch_size=16", "method.fake_as_real.count=2"],
    *["log_every=1", "evaluate.every=2", "evaluate.n=100", "device=cpu", "threads=1", "ema.decay=0.5"],
]
DRAW = ["sample", "run", "-n", "20"]
COMMANDS = {
    "train": TRAIN,
    "npz": [*DRAW],
    "folder": [*DRAW, "--out", "folder"],
    "zip": [*DRAW, "--out", "zip", "--seed", "0"],
    "grid": [*DRAW, "--out", "png-grid", "--interpolate", "5"],
    "npy": [*DRAW, "--out", "a/b.npy", "--truncation", "0.5", "--weights", "live"],
    "longer": ["sample", "run", "-n", "2100", "--out", "a/long.npz"],
    "cats": [*DRAW, "--out", "a/cats", "--label", "cat"],
    "by number": [*DRAW, "--out", "a/2.npy", "--label", "2"],
    "cats by word": [*DRAW, "--out", "npz", "--label", "cat", "--truncation", "0.50", "--weights", "live"],
    "png": [*DRAW, "--out", "a/plain.PNG"],
    "export": ["export", "run"],
    "export again": ["export", "run", "--out", "there", "--weights", "live"],
}
REFUSED = {
    "sample run --label dog": "unknown class 'dog': known: ant, bee, cat",
    "sample run --label cats": "unknown class 'cats': did you mean 'cat'? known: ant, bee, cat",
    "sample run --label 3": "expected --label from 0 to 2, got 3: choose one of the classes",
    "sample run --label -1": "expected --label from 0 to 2, got -1: choose one of the classes",
    "sample run -n 20 --out folder": f"expected a new or empty folder at {Path('run/drawn-20-seed-0')}, found other",
    "sample run --out a": "expected a new or empty folder at a, found other files: choose another --out",
    "sample run --out pictures.csv": "expected folder, zip, npz, .npy or png-grid for images, got 'pictures.csv'",
    "sample run --out run/settings.json/a.zip": "cannot write ",
    "export run --out run/settings.json": f"expected a folder at {Path('run/settings.json')}, found a file",
}


def pictures(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for name in NAMES:
        (folder / name).mkdir(parents=True)
        for i in range(12):
            Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(folder / name / f"{i}.png")


@pytest.fixture(scope="module")
def user(once: Callable[..., Any], commands: Callable[..., Any]) -> dict[str, Any]:
    """The answers by name, and the folder in which all commands ran."""

    def make(here: Path) -> dict[str, Any]:
        pictures(here / "pictures")
        wanted = COMMANDS | {words: words.split() for words in REFUSED}
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("STEADYGAN_CACHE", str(here / "cache"))
            return dict(zip(wanted, commands(list(wanted.values()), here), strict=True))

    here, answers = once("cli-sample", make)
    return {"here": here, **answers}


@pytest.fixture(scope="module")
def drawn(user: dict[str, Any]) -> tuple[np.ndarray, list[int]]:
    """The 20 images of seed 0 and their classes."""
    with np.load(user["here"] / "run" / "drawn-20-seed-0.npz") as archive:
        return archive["samples"], archive["labels"].tolist()


def picture(path: Any) -> np.ndarray:
    return np.asarray(Image.open(path))


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "train"])
def test_it_succeeds_in_one_line(user: dict[str, Any], name: str) -> None:
    answer = user[name]
    assert (answer.code, answer.err) == (0, ""), answer
    assert answer.out.count("\n") == 1, answer


@pytest.mark.parametrize("words", REFUSED)
def test_bad_input_is_one_line(user: dict[str, Any], words: str) -> None:
    assert REFUSED[words] in user[words].refused()


def test_the_line_says_what_was_drawn(user: dict[str, Any]) -> None:
    run = Path("run")
    said = {name: user[name].out.strip() for name in COMMANDS}
    assert said["npz"] == f"20 samples of run (iteration 2, EMA weights, seed 0): {run / 'drawn-20-seed-0.npz'}"
    assert said["npy"] == f"20 samples of run (iteration 2, live weights, seed 0, truncation 0.5): {Path('a/b.npy')}"
    assert said["cats"] == f"20 samples of run (iteration 2, EMA weights, seed 0, label 2 (cat)): {Path('a/cats')}"
    name = "drawn-20-seed-0-label-cat-truncation-0.5-live.npz"
    assert said["cats by word"].endswith(f"live weights, seed 0, label 2 (cat), truncation 0.5): {run / name}")
    assert said["grid"] == (
        "20 samples of run (iteration 2, EMA weights, seed 0, rows of 5 from one latent to another): "
        f"{run / 'drawn-20-seed-0-interpolate-5.png'}"
    )
    assert said["longer"].startswith("2,100 samples of run (")


def test_arrays_hold_pixels_and_labels(user: dict[str, Any], drawn: tuple[np.ndarray, list[int]]) -> None:
    samples, labels = drawn
    assert (samples.shape, samples.dtype) == ((20, 8, 8, 3), np.uint8)
    assert set(labels) <= {0, 1, 2}
    with np.load(user["here"] / "a" / "long.npz") as archive:
        assert archive["samples"].shape == (2100, 8, 8, 3)
        assert np.array_equal(archive["samples"][:20], samples)
        assert archive["labels"][:20].tolist() == labels
        assert min(np.bincount(archive["labels"], minlength=3)) > 600
    assert not np.array_equal(np.load(user["here"] / "a" / "b.npy"), samples)


def test_folders_and_zips_hold_the_same_pixels_by_class(user: dict[str, Any], drawn: Any) -> None:
    samples, labels = drawn
    folder = user["here"] / "run" / "drawn-20-seed-0"
    with zipfile.ZipFile(f"{folder}.zip") as archive:
        for i, (pixels, k) in enumerate(zip(samples, labels, strict=True)):
            name = f"{NAMES[k]}/{i:08d}.png"
            assert np.array_equal(picture(folder / name), pixels)
            with archive.open(name) as file:
                assert np.array_equal(picture(file), pixels)
        assert len(archive.namelist()) == 20
    assert len([*folder.rglob("*.png")]) == 20


def test_one_class_needs_no_folders(user: dict[str, Any], drawn: Any) -> None:
    cats = user["here"] / "a" / "cats"
    files = sorted(cats.iterdir())
    assert [file.name for file in files] == [f"{i:08d}.png" for i in range(20)]
    found = np.stack([picture(file) for file in files])
    assert np.array_equal(found, np.load(user["here"] / "a" / "2.npy"))
    with np.load(user["here"] / "run" / "drawn-20-seed-0-label-cat-truncation-0.5-live.npz") as archive:
        assert archive["labels"].tolist() == [2] * 20
    for i, k in enumerate(drawn[1]):
        assert np.array_equal(found[i], drawn[0][i]) == (k == 2)


def test_grids_are_pictures(user: dict[str, Any]) -> None:
    plain = Image.open(user["here"] / "a" / "plain.PNG").size
    rows = Image.open(user["here"] / "run" / "drawn-20-seed-0-interpolate-5.png").size
    cell, gap = 8 * 8 + 4, 4
    assert plain == (8 * cell + gap, 3 * cell + gap)
    assert rows == (5 * cell + gap, 4 * cell + gap)


def test_nothing_half_written_is_left(user: dict[str, Any]) -> None:
    assert not [path for path in user["here"].rglob("*") if "part" in path.name and "cache" not in path.parts]


def test_an_exported_generator_says_what_it_is(user: dict[str, Any]) -> None:
    here = user["here"]
    files = "card.json, generator.pt2, generator.safetensors"
    for name, folder, weights in (("export", Path("run/export"), "EMA"), ("export again", Path("there"), "live")):
        card = json.loads((here / folder / "card.json").read_text(encoding="utf-8"))
        assert (card["name"], card["iteration"], card["weights"]) == ("folder/far", 2, weights.lower())
        assert card["classes"]["names"] == [*NAMES]
        network = {"name": "dcgan", "latent_dim": 4, "shape": [3, 8, 8], "classes": 3, "width": 2, "norm": "none"}
        assert card["network"] == network
        assert user[name].out.strip() == (
            f"generator of run (iteration 2, {weights} weights, {card['parameters']:,} parameters): {folder} ({files})"
        )
        assert sorted(path.name for path in (here / folder).iterdir()) == files.split(", ")
