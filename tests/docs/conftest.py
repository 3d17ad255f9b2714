"""A folder in which what the pages of README and docs name can be found, and a command run."""

from __future__ import annotations

import contextlib
import io
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from pages import blocks
from PIL import Image

import steadygan as sg
from steadygan import cli

TINY = [
    "evaluate.n=100",
    "log_every=2",
    "evaluate.every=2",
    "checkpoint_every=2",
    "device=cpu",
    "threads=1",
    "compile=off",
]
POINTS_RUNS = "lost ring8-far ring8-far-2 ring8-r1 ring8-nsgan grid25-far grid25-nsgan folder-far".split()  # noqa: SIM905
IMAGE_RUNS = ("mnist-far", "digits-far")


def run(*words: str) -> tuple[int, str]:
    """A command's exit code, and all that it printed."""
    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        patch.setattr(sys, "argv", ["steadygan", *words])
        return cli.main([*words]), said.getvalue()


def idx(tensor: torch.Tensor) -> bytes:
    sizes = b"".join(size.to_bytes(4, "big") for size in tensor.shape)
    return bytes([0, 0, 8, tensor.dim()]) + sizes + tensor.numpy().tobytes()


def digits(folder: Path) -> None:
    """Noise in MNIST's four files."""
    folder.mkdir()
    for part in ("train", "t10k"):
        image = torch.randint(0, 256, (200, 28, 28), dtype=torch.uint8)
        folder.joinpath(f"{part}-images-idx3-ubyte").write_bytes(idx(image))
        folder.joinpath(f"{part}-labels-idx1-ubyte").write_bytes(idx(torch.arange(200, dtype=torch.uint8) % 10))


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the pages name: runs, photographs, points, digits, modules."""
    here = tmp_path_factory.mktemp("pages")
    random = np.random.default_rng(0)
    with contextlib.chdir(here):
        for folder in ("photos", "more", "fakes"):
            Path(folder).mkdir()
            for k in range(100):
                pixels = random.integers(0, 256, (64, 64, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(f"{folder}/{k}.png")
        digits(Path("mnist"))
        digits(Path("FOLDER"))
        for out, recipe in {
            "points": ["ring8/far"],
            "RUN": ["mnist/cgan-far", "--scale", "small", "--data", "mnist", "evaluate.features=none"],
            "photographs": ["folder/far", "--scale", "small", "--data", "photos", "size=32", "evaluate.features=none"],
        }.items():
            code, said = run("train", *recipe, *TINY, "--iterations", "4", "--out", out)
            assert code == 0, said
        monitor = sg.CollapseMonitor(every=1, out="loop")
        for _ in range(2):
            monitor.observe(D=torch.nn.Linear(2, 1), real=torch.randn(64, 2), fake=torch.randn(64, 2))
        for source, names in (("points", POINTS_RUNS), ("RUN", IMAGE_RUNS)):
            for name in names:
                shutil.copytree(source, f"runs/{name}/seed-0")
        shutil.copytree("points", "runs/eight/seed-0")
        np.savetxt("points.csv", random.normal(size=(300, 2)), delimiter=",")
        Path("mine.py").write_text("def features(x):\n    return x.flatten(1)[:, :8]\n", encoding="utf-8")
        (parts,) = [block for block in blocks("README.md") if "my_parts.py" in block.text]
        Path("my_parts.py").write_text(parts.text, encoding="utf-8")
    return here


@pytest.fixture
def there(made: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """In that folder, with threads and registries as they were afterwards: the README registers a part of its own."""
    monkeypatch.chdir(made)
    monkeypatch.syspath_prepend(str(made))
    monkeypatch.setenv("STEADYGAN_DATA", str(made))
    threads = torch.get_num_threads()
    known = sg.penalties.PENALTIES
    kept = [(own, dict(own)) for own in (known._entries, known.settings.known)]
    yield
    for own, before in kept:
        own.clear()
        own.update(before)
    sys.modules.pop("my_parts", None)
    torch.set_num_threads(threads)


@pytest.fixture
def command() -> Callable[..., tuple[int, str]]:
    return run
