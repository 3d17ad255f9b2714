"""What `--out` asks for is known before anything is drawn."""

from __future__ import annotations

from pathlib import Path

import pytest

from steadygan.commands.sample import Asked, check, class_of, target
from steadygan.errors import InputError
from steadygan.recipes import RECIPES

RUN = Path("runs/r")
IMAGES, POINTS, CLASSES = (RECIPES[name]() for name in ("digits/far", "ring8/far", "mnist/cgan-far"))


@pytest.mark.parametrize(
    ("out", "form", "path"),
    [
        (None, "npz", "runs/r/drawn-64-seed-0.npz"),
        ("npz", "npz", "runs/r/drawn-64-seed-0.npz"),
        ("zip", "zip", "runs/r/drawn-64-seed-0.zip"),
        ("folder", "folder", "runs/r/drawn-64-seed-0"),
        ("png-grid", "png-grid", "runs/r/drawn-64-seed-0.png"),
        ("./zip", "folder", "zip"),
        ("a/b", "folder", "a/b"),
        ("a/b.ZIP", "zip", "a/b.ZIP"),
        ("b.npz", "npz", "b.npz"),
        ("b.npy", "npy", "b.npy"),
        ("b.csv", "csv", "b.csv"),
        ("v1.5/b.png", "png-grid", "v1.5/b.png"),
    ],
)
def test_words_and_endings_tell_the_form(out: str | None, form: str, path: str) -> None:
    assert target(out, RUN, Asked(64)) == (form, Path(path))


def test_a_name_says_all_that_was_asked_for() -> None:
    asked = Asked(8, 3, "live", "a cat/dog", 0.7, 4)
    assert asked.slug() == "drawn-8-seed-3-label-a-cat-dog-truncation-0.7-interpolate-4-live"
    assert target("folder", RUN, asked)[1] == RUN / asked.slug()
    assert Asked(8, truncation=1e-5).slug() == "drawn-8-seed-0-truncation-1e-05"


@pytest.mark.parametrize("out", ["a.txt", "a.jpg", "v1.5"])
def test_other_endings_are_refused(out: str) -> None:
    with pytest.raises(InputError, match=r"or in nothing \(a folder\), got "):
        target(out, RUN, Asked(64))


@pytest.mark.parametrize(
    ("settings", "out", "asked", "told"),
    [
        (POINTS, "folder", Asked(8), "expected npz, .npy, .csv or .png for points, got folder: add --out npz"),
        (POINTS, "a.zip", Asked(8), "expected npz, .npy, .csv or .png for points, got zip"),
        (IMAGES, "a.csv", Asked(8), "expected folder, zip, npz, .npy or png-grid for images, got 'a.csv'"),
        (IMAGES, "png-grid", Asked(10_001), "expected at most 10,000 images in a grid, got -n 10,001: lower it, or"),
        (
            IMAGES,
            "npz",
            Asked(8, label="3"),
            "expected no --label, because the generator of runs/r has no classes, got 3",
        ),
        (CLASSES, "npz", Asked(8, interpolate=9), "expected --interpolate of at most -n 8, a whole row, got 9"),
        (IMAGES, "/", Asked(8), "expected a new or empty folder at /, found other files"),
    ],
)
def test_what_cannot_be_is_refused(settings, out: str, asked: Asked, told: str) -> None:
    with pytest.raises(InputError) as error:
        check(target(out, RUN, asked), asked, settings, RUN)
    assert told in str(error.value).replace("\\", "/")


def test_what_can_be_is_not(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "old.npz").write_text("replaced")
    for settings, out, asked in (
        (IMAGES, "png-grid", Asked(10_000)),
        (POINTS, "png-grid", Asked(10_001)),
        (CLASSES, str(tmp_path / "empty"), Asked(8, label="3", interpolate=8)),
        (CLASSES, str(tmp_path / "new" / "one"), Asked(8)),
        (POINTS, str(tmp_path / "old.npz"), Asked(8)),
    ):
        check(target(out, RUN, asked), asked, settings, RUN)


def test_places_that_are_taken_are_refused(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("mine")
    (tmp_path / "folder.zip").mkdir()
    for out, told in (
        ("full", "expected a new or empty folder at .*full, found other files"),
        ("full/file", "expected a new or empty folder at .*file, found a file"),
        ("folder.zip", "expected a file to write at .*folder.zip, found a folder"),
    ):
        with pytest.raises(InputError, match=told):
            check(target(str(tmp_path / out), RUN, Asked(8)), Asked(8), IMAGES, RUN)


def test_images_are_told_from_points() -> None:
    assert {name.split("/")[0]: recipe().data.image for name, recipe in RECIPES.items()}.items() >= {
        "ring8": False,
        "points": False,
        "digits": True,
        "mnist": True,
        "cifar10": True,
        "folder": True,
        "stacked-mnist": True,
    }.items()


@pytest.mark.parametrize(
    ("text", "names", "classes", "found"),
    [
        ("2", [], 3, 2),
        ("cat", ["ant", "cat"], 2, 1),
        ("1", ["ant", "cat"], 2, 1),
        ("3", ["1", "2", "3"], 3, 2),  # a name goes first
        ("0", ["1", "2", "3"], 3, 0),
    ],
)
def test_a_class_has_a_name_or_a_number(text: str, names: list[str], classes: int, found: int) -> None:
    assert class_of(text, names, classes) == found


@pytest.mark.parametrize(
    ("text", "names", "told"),
    [
        ("3", [], "expected --label from 0 to 2, got 3: choose one of the classes"),
        ("-1", ["a", "b", "c"], "expected --label from 0 to 2, got -1"),
        ("cat", [], "expected --label from 0 to 2, got cat"),
        ("1.0", [], "expected --label from 0 to 2, got 1.0"),
        ("cats", ["ant", "bee", "cat"], "unknown class 'cats': did you mean 'cat'? known: ant, bee, cat"),
    ],
)
def test_other_classes_are_refused(text: str, names: list[str], told: str) -> None:
    with pytest.raises(InputError) as error:
        class_of(text, names, 3)
    assert told in str(error.value)
