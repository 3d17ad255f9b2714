"""Generators in the package: each is what its card says and draws at once; how one gets there, and is refused."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import steadygan as sg
from known import generator
from steadygan.cli import main
from steadygan.config import Settings, override
from steadygan.config.data import Folder
from steadygan.config.networks import DcganDiscriminator, DcganGenerator
from steadygan.config.optimisation import Constant
from steadygan.data import Source
from steadygan.errors import InputError
from steadygan.pixels import to_pixels
from steadygan.recipes import RECIPES
from steadygan.recipes.build import trainer
from steadygan.runs import shipped
from steadygan.runs.shipped import shipped_card, shipped_weights

ROOT = Path(__file__).parents[2]
MOST = 3_000_000  # bytes of weights, each
OWN = "folder/far"


@pytest.fixture(scope="module")
def ship() -> ModuleType:
    spec = importlib.util.spec_from_file_location("ship", ROOT / "benchmarks" / "ship.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def run() -> sg.Run:
    """Two iterations on noise of 8 x 8 pixels."""
    pixels = torch.randint(256, (8, 3, 8, 8), generator=generator(0), dtype=torch.uint8)
    settings = Settings(
        recipe=OWN, data=Folder(size=8, path="here"), schedule=Constant(), horizon=2, batch_size=4, latent_dim=4,
        generator=DcganGenerator(width=2), discriminator=DcganDiscriminator(width=2), device="cpu", monitor=None,
    )  # fmt: skip
    data = Source("tiny", (3, 8, 8), train=pixels, image=True, licence="nobody's")
    return trainer(override(settings, ["evaluate.n=100", "ema.decay=0.5", "log_every=1"]), data=data).fit(2)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ship: ModuleType, run: sg.Run) -> Path:
    """A package folder that holds the generator of `run`."""
    assert ship.ship(run, tmp_path / shipped.FOLDER) == OWN
    monkeypatch.setattr(shipped, "files", lambda _: tmp_path)
    return tmp_path / shipped.FOLDER


def test_what_is_shipped() -> None:
    """Every one: small, licensed, of a recipe that is still there, drawn as its card says."""
    for name in shipped.shipped():
        card = shipped_card(name)
        assert card is not None
        assert len(shipped_weights(card)) < MOST
        assert card["licence"] == "Apache-2.0"
        assert card["data"]["licence"]
        assert card["settings"]["data"]["path"] is None
        assert Settings.check(card["settings"]).recipe == name in RECIPES
        drawn = sg.load(name, device="cpu")
        assert sum(p.numel() for p in drawn.G.parameters()) == card["parameters"]
        x = drawn.sample(4)
        assert x.shape == (4, *card["output"]["shape"])
        assert x.isfinite().all()
        assert x.abs().amax() <= 1
        assert (x[0] - x[1]).abs().mean() > 0.01


def test_together_they_are_small() -> None:
    found = [shipped_card(name) for name in shipped.shipped()]
    assert sum(len(shipped_weights(card)) for card in found if card is not None) < 2 * MOST


def test_it_draws_what_the_run_draws(package: Path, run: sg.Run) -> None:
    """Up to the rounding of 16-bit weights, which is 2^-11 of each."""
    assert shipped.shipped() == (OWN,)
    found = sg.load(OWN, device="cpu")
    assert (found.iteration, found.latent_dim, found.path, found.classes) == (2, 4, None, None)
    torch.testing.assert_close(found.sample(20, seed=3), run.sample(20, seed=3), rtol=0, atol=0.01)
    for name, value in found.G.state_dict().items():
        assert torch.equal(value, run.G.state_dict()[name].half().float())
    card = json.loads((package / "folder-far.json").read_text("utf-8"))
    assert card["data"]["licence"] == "nobody's"
    assert "here" not in json.dumps(card)


def test_a_run_of_that_name_goes_first(package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / OWN).mkdir(parents=True)
    assert sg.load(OWN).iteration == 2  # an empty folder is no run
    (tmp_path / OWN / "settings.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match="holds no checkpoint yet"):
        sg.load(OWN)


def test_files_that_do_not_belong_together(package: Path) -> None:
    (package / "folder-far.safetensors").write_bytes(b"other")
    with pytest.raises(InputError, match=r"expected the weights of folder/far with the SHA-256 .* reinstall steadygan"):
        sg.load(OWN)
    (package / "folder-far.safetensors").unlink()
    with pytest.raises(InputError, match=r"package's file shipped/folder-far.safetensors, found none: reinstall"):
        sg.load(OWN)


def test_the_command_draws_from_it(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Files lie here, not in a folder of the recipe's name, which is that of a run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    for out, file in (("npz", "folder-far-drawn-6-seed-1.npz"), ("png-grid", "folder-far-drawn-6-seed-1.png")):
        assert main(["sample", OWN, "-n", "6", "--seed", "1", "--out", out]) == 0
        told = "shipped with steadygan, iteration 2, EMA weights, seed 1"
        assert capsys.readouterr().out.strip() == f"6 samples of {OWN} ({told}): {file}"
    with np.load("folder-far-drawn-6-seed-1.npz") as archive:
        assert archive["samples"].shape == (6, 8, 8, 3)
        assert np.array_equal(archive["samples"], to_pixels(sg.load(OWN).sample(6, 1)).permute(0, 2, 3, 1).numpy())
    assert not Path("folder").exists()
    assert main(["sample", OWN, "--label", "3"]) == 2
    assert main(["sample", "folder/fra"]) == 2
    wanted = (
        "folder/fra holds no run (no settings.json): use the folder that train printed, or one of the names folder/far"
    )
    assert wanted in capsys.readouterr().err


def test_what_is_not_shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipped, "files", lambda _: tmp_path)
    assert shipped.shipped() == ()
    assert shipped_card("showcase/mnist") is None
    with pytest.raises(InputError, match="showcase/mnist holds no run"):
        sg.load("showcase/mnist")


@pytest.mark.parametrize("own", [{"classes": 3, "units": None}, {"classes": None, "units": (0, 1)}])
def test_what_is_not_put_into_the_package(ship: ModuleType, tmp_path: Path, own: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="expected a generator of images without labels"):
        ship.ship(SimpleNamespace(**own), tmp_path)
