"""`steadygan evaluate` as a user types it: tables, JSON, and one line for each bad input."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from pictures import mnist
from steadygan.data import DATA

MINE = """
import numpy as np

def features(images):
    x = images.numpy().astype("float32") / 255
    return x.mean((2, 3)), np.stack([x.mean((1, 2, 3)), 1 - x.mean((1, 2, 3))], 1)

def flat(images):
    return images.float().mean()

limit = 3
"""


def pictures(folder, n=120, side=28, mode="L"):
    """n PNG files of noise."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(n):
        shape = (side, side) if mode == "L" else (side, side, 3)
        Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)).save(folder / f"{i:03d}.png")
    return folder


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Fakes of all kinds."""
    folder = tmp_path_factory.mktemp("fakes")
    generator = torch.Generator().manual_seed(1)
    ring = DATA["ring8"]().fresh(3000, generator).numpy()
    np.savetxt(folder / "ring.csv", ring, delimiter=",")
    ring[5] = np.nan
    np.save(folder / "nan.npy", ring)
    np.savetxt(folder / "few.csv", ring[10:60], delimiter=",")
    pictures(folder / "grey")
    pictures(folder / "colour", mode="RGB")
    pictures(folder / "large", side=32)
    pictures(folder / "few", n=20)
    (folder / "empty").mkdir()
    (folder / "mine.py").write_text(MINE)
    bright = np.full((150, 28, 28), 2.5, np.float32)
    np.save(folder / "bright.npy", bright)
    mnist(folder / "mnist", train=300, test=150)
    (folder / "damaged.pth").write_bytes(b"no weights")
    return folder


def test_points_and_images(place, commands):
    points, as_json, images, own, chosen = commands(
        [
            ["evaluate", "ring.csv", "--against", "ring8"],
            ["evaluate", "ring.csv", "--against", "ring8", "--json"],
            ["evaluate", "grey", "--against", "mnist", "--data", "mnist"],
            ["evaluate", "grey", "--against", "mnist", "--data", "mnist", "--features", "mine:features", "--json"],
            ["evaluate", "grey", "--against", "grey", "--features", "mine:features", "--metrics", "recall,density"],
        ],
        place,
    )
    assert [answer.code for answer in (points, as_json, images, own, chosen)] == [0] * 5, (images.err, own.err)
    assert "ring.csv against ring8: 3,000 fakes" in points.out
    assert "real data" in points.out
    assert "measured with: " in points.out
    told = json.loads(as_json.out)
    assert told["figures"]["modes"]["value"] == 8
    assert told["figures"]["veegan_modes"]["protocol"]["n_fake"] == 3000
    assert told["figures"]["mode_kl"]["real"] == pytest.approx(7 / 6000, rel=0.1)
    assert "Frechet distance" in images.out
    assert "digits" in images.out
    figures = json.loads(own.out)["figures"]
    assert figures["frechet"]["protocol"]["features"].startswith("mine:features ")
    assert figures["frechet"]["value"] > 0
    assert "precision" not in chosen.out
    assert "recall" in chosen.out


BAD = {
    "no data to compare with": (["ring.csv"], "expected --against DATA"),
    "unknown data": (["ring.csv", "--against", "ring9"], "did you mean 'ring8'"),
    "own data of a file": (["ring.csv", "--against", "own"], "expected a run"),
    "nothing there": (["none.csv", "--against", "ring8"], "found nothing there"),
    "too few points": (["few.csv", "--against", "ring8"], "at least 100 fakes in few.csv, got 50"),
    "too few images": (["few", "--against", "mnist", "--data", "mnist"], "at least 100 fakes in few, got 20"),
    "fewer than asked for": (["grey", "--against", "mnist", "--data", "mnist", "-n", "500"], "got 120"),
    "grey against colour": (["colour", "--against", "mnist", "--data", "mnist"], "grey 28 x 28"),
    "another size": (["large", "--against", "mnist", "--data", "mnist"], "grey 32 x 32"),
    "images against points": (["grey", "--against", "ring8"], "expected numbers"),
    "points against images": (["ring.csv", "--against", "mnist", "--data", "mnist"], "expected images"),
    "not finite": (["nan.npy", "--against", "ring8"], "finite"),
    "pixels out of range": (["bright.npy", "--against", "mnist", "--data", "mnist"], "within [-1, 1]"),
    "an empty folder": (["empty", "--against", "mnist", "--data", "mnist"], "images"),
    "data that makes its own": (["ring.csv", "--against", "ring8", "--data", "mnist"], "leave it out"),
    "no files of the data": (["grey", "--against", "mnist", "--data", "empty"], "MNIST"),
    "a feature function of the wrong shape": (
        ["grey", "--against", "grey", "--features", "mine:flat"],
        "return one row per image",
    ),
    "no such function": (["grey", "--against", "grey", "--features", "mine:featurs"], "did you mean 'features'"),
    "no function": (["grey", "--against", "grey", "--features", "mine:limit"], "expected mine:limit to be a function"),
    "no such network": (["grey", "--against", "grey", "--features", "vgg"], "unknown feature network 'vgg'"),
    "a network that cannot take them": (
        ["large", "--against", "large", "--features", "digits", "--json"],
        "expected images of shape (1, 28, 28)",
    ),
    "damaged weights": (["grey", "--against", "grey", "--inception", "damaged.pth"], "damaged.pth"),
    "no weights": (["grey", "--against", "grey", "--inception", "none.pth"], "found nothing there"),
    "unknown split": (["ring.csv", "--against", "ring8", "--split", "test"], "train or held-out"),
    "unknown weights": (["ring.csv", "--against", "ring8", "--weights", "best"], "unknown weights"),
    "unknown metric": (["ring.csv", "--against", "ring8", "--metrics", "fidd"], "unknown metric 'fidd'"),
    "no fakes": (["ring.csv", "--against", "ring8", "-n", "0"], "-n"),
}


def test_bad_input_is_one_line(place, commands):
    answers = commands([["evaluate", *words] for words, _ in BAD.values()], place)
    wrong = {}
    for (name, (_, expected)), answer in zip(BAD.items(), answers, strict=True):
        if answer.code != 2 or answer.err.count("\n") != 1 or expected not in answer.err or answer.out:
            wrong[name] = answer
    assert not wrong
