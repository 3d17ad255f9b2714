"""An exported generator gives the run's samples where there is no steadygan: its weights by hand, and its program."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import animals
import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

import steadygan as sg
from steadygan.config import override
from steadygan.errors import InputError
from steadygan.recipes import RECIPES
from steadygan.recipes.build import trainer as recipe_trainer
from steadygan.runs.export import FILES
from steadygan.runs.run import Run
from tiny import points

QUIET = ["batch_size=4", "log_every=10", "evaluate.every=4", "evaluate.n=100", "device=cpu"]
WITHOUT = """
import sys
sys.modules["steadygan"] = None  # importing it raises
import torch
for folder in sys.argv[1:]:
    program = torch.export.load(folder + "/generator.pt2").module()
    given = torch.load(folder + "/given.pt")
    torch.save([program(*inputs) for inputs in given], folder + "/found.pt")
assert not [name for name in sys.modules if name.startswith("steadygan.")]
"""


def latents(n: int, dim: int, seed: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """The latents of `run.sample(n, seed)`."""
    assert n <= 256
    return torch.randn(256, dim, generator=torch.Generator().manual_seed(seed), dtype=dtype)[:n]


def labels(run: Run, n: int, seed: int = 0) -> Tensor:
    (batch,) = run.stream(n, seed)
    assert batch.label is not None
    return batch.label


def program(folder: Path) -> Any:
    return torch.export.load(folder / "generator.pt2").module()


def refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def card_in(folder: Path) -> dict[str, Any]:
    card = json.loads((folder / "card.json").read_text(encoding="utf-8"), parse_constant=refuse)
    assert isinstance(card, dict)
    return card


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("exported")


@pytest.fixture(scope="module")
def mlp(shelf: Path) -> tuple[Run, Path]:
    """Points in the user's units, from a recipe."""
    x = points(300, 3) * torch.tensor([1.0, 50.0, 1e-2]) + torch.tensor([0.0, 1000.0, 0.0])
    path = shelf / "points.npy"
    np.save(path, x.numpy())
    words = [*QUIET, f"data.path={path}", "generator.width=5", "generator.depth=2", "generator.activation=tanh"]
    run = recipe_trainer(override(RECIPES["points/r1"](), words), out=shelf / "mlp-run").fit(4)
    sg.export(run, shelf / "mlp")
    return run, shelf / "mlp"


@pytest.fixture(scope="module")
def dcgan(shelf: Path) -> tuple[Run, Path]:
    """A conditional run, with batch normalisation."""
    run = animals.trained(shelf / "dcgan-run", norm="batch")
    network = {"latent_dim": 6, "shape": [3, 8, 8], "classes": 3, "name": "dcgan", "width": 2, "norm": "batch"}
    run.network_settings = {"generator": network}
    sg.export(run, shelf / "dcgan")
    return run, shelf / "dcgan"


def test_three_files_and_nothing_else(mlp: tuple[Run, Path], dcgan: tuple[Run, Path], shelf: Path) -> None:
    for _, folder in (mlp, dcgan):
        assert {path.name for path in folder.iterdir()} == set(FILES)
    assert not [path for path in shelf.iterdir() if "part" in path.name]


def test_only_an_older_export_is_replaced(mlp: tuple[Run, Path], tmp_path: Path) -> None:
    for name, text in (("card.json", '{"mine": 1}'), ("card.json", "mine"), ("generator.pt2", "mine")):
        place = tmp_path / f"{name}-{len(text)}"
        place.mkdir()
        (place / name).write_text(text)
        with pytest.raises(InputError, match=f"expected no {name} but an older export's in .*: choose another --out"):
            sg.export(mlp[0], place)
        assert [(path.name, path.read_text()) for path in place.iterdir()] == [(name, text)]
    place = tmp_path / "older"
    for _ in range(2):
        sg.export(mlp[0], place)


def test_an_mlp_is_rebuilt_from_its_card_by_hand(mlp: tuple[Run, Path]) -> None:
    run, folder = mlp
    card, weights = card_in(folder), load_file(folder / "generator.safetensors")
    network, x = card["network"], latents(40, card["latent"]["dim"], 3)
    activation = {"tanh": torch.tanh, "leaky_relu": lambda t: nn.functional.leaky_relu(t, 0.2)}[network["activation"]]
    for layer in range(network["depth"]):
        x = activation(x @ weights[f"{2 * layer}.weight"].T + weights[f"{2 * layer}.bias"])
    last = 2 * network["depth"]
    x = x @ weights[f"{last}.weight"].T + weights[f"{last}.bias"]
    assert (network["name"], network["shape"], network["output"]) == ("mlp", [3], None)
    x = x * torch.tensor(card["units"]["scale"]) + torch.tensor(card["units"]["offset"])
    torch.testing.assert_close(x, run.sample(40, 3))
    assert 800.0 < float(x[:, 1].mean()) < 1200.0


def test_a_conditional_dcgan_is_rebuilt_from_its_card_by_hand(dcgan: tuple[Run, Path]) -> None:
    run, folder = dcgan
    card, weights = card_in(folder), load_file(folder / "generator.safetensors")
    network, names = card["network"], list(card["layers"])
    channels, side, _ = network["shape"]
    halvings = 2  # 8 to 2
    widths = [network["width"] * 2**i for i in reversed(range(halvings))]
    base = side // 2**halvings

    def norm(channels: int) -> list[nn.Module]:
        return [nn.BatchNorm2d(channels)] if network["norm"] == "batch" else []

    bias = network["norm"] == "none"
    embed = nn.Embedding(network["classes"], network["latent_dim"])
    layers = [
        nn.Linear(2 * network["latent_dim"], widths[0] * base**2, bias=bias),
        nn.Unflatten(1, (widths[0], base, base)),
        *norm(widths[0]),
        nn.ReLU(),
        nn.ConvTranspose2d(widths[0], widths[1], 4, 2, 1, bias=bias),
        *norm(widths[1]),
        nn.ReLU(),
        nn.ConvTranspose2d(widths[1], channels, 4, 2, 1),
        nn.Tanh(),
    ]
    G = nn.ModuleDict({"embed": embed, "body": nn.Sequential(*layers)})
    G.load_state_dict(weights)
    G.eval()
    assert names == ["embed", *(f"body.{i}" for i in range(len(layers)))]
    z, label = latents(30, 6, 5), labels(run, 30, 5)
    with torch.no_grad():
        x = G["body"](torch.cat([z, G["embed"](label)], 1))
    torch.testing.assert_close(x, run.sample(30, 5))


def test_programs_run_where_there_is_no_steadygan(mlp: tuple[Run, Path], dcgan: tuple[Run, Path]) -> None:
    """For any size of batch."""
    for run, folder in (mlp, dcgan):
        dim = run.latent_dim or 0
        given = [(latents(n, dim, 2), *([labels(run, n, 2)] if run.conditional else [])) for n in (1, 2, 3, 64, 200)]
        torch.save(given, folder / "given.pt")
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [sys.executable, "-c", WITHOUT, str(mlp[1]), str(dcgan[1])]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    for run, folder in (mlp, dcgan):
        found = torch.load(folder / "found.pt")
        (folder / "given.pt").unlink()
        (folder / "found.pt").unlink()
        for x in found:
            wanted = run.sample(len(x), 2)
            torch.testing.assert_close(x, wanted, rtol=1e-6, atol=1e-6 * max(1.0, float(wanted.abs().max())))


def test_labels_reach_the_program(dcgan: tuple[Run, Path]) -> None:
    run, folder = dcgan
    G, z = program(folder), latents(10, 6, 4)
    for k in (0, 2):
        torch.testing.assert_close(G(z, torch.full((10,), k)), run.sample(10, 4, label=k), rtol=0, atol=1e-6)
    assert not torch.allclose(run.sample(10, 4, label=0), run.sample(10, 4, label=2))


def test_the_card_says_what_it_is(mlp: tuple[Run, Path], dcgan: tuple[Run, Path]) -> None:
    run, folder = mlp
    card = card_in(folder)
    assert card["name"] == "points/r1"
    assert card["settings"] == run.settings
    assert (card["iteration"], card["weights"], card["steadygan"], card["torch"]) == (
        4,
        "ema",
        sg.__version__,
        str(torch.__version__),
    )
    assert card["latent"] == {"dim": run.latent_dim, "distribution": "standard normal", "dtype": "float32"}
    assert card["output"] == {"kind": "samples in the data's units", "shape": [3], "dtype": "float32", "range": None}
    assert card["classes"] is None
    assert card["data"]["size"] == 300
    assert card["data"]["digest"] == run.data["digest"]
    assert card["parameters"] == sum(p.numel() for p in run.G.parameters())
    metrics = card["metrics"]
    assert metrics["protocol"] == run.protocol
    assert metrics["protocol"]
    measured = [r for r in run.metrics if "energy_distance" in r]
    final = metrics["figures"]["energy_distance"]["final"]
    assert final == {"value": measured[-1]["energy_distance"], "iteration": 4}
    assert metrics["figures"]["energy_distance"]["best"]["value"] == min(
        r["energy_distance"] for r in measured if r["iteration"] > 0
    )

    run, folder = dcgan
    card = card_in(folder)
    assert card["name"] == "dcgan-run"
    assert card["output"] == {
        "kind": "images (n, c, h, w)",
        "shape": [3, 8, 8],
        "dtype": "float32",
        "range": [-1.0, 1.0],
    }
    assert card["classes"] == {"count": 3, "names": [*animals.NAMES], "training_samples": [*animals.COUNTS]}
    assert card["units"] is None
    assert card["network"] == run.network_settings["generator"] if run.network_settings else None


def test_its_three_lines_on_loading_work(mlp: tuple[Run, Path], dcgan: tuple[Run, Path], monkeypatch) -> None:
    import safetensors.torch

    for (run, folder), shape in ((mlp, (8, 3)), (dcgan, (8, 3, 8, 8))):
        monkeypatch.chdir(folder)
        lines = card_in(folder)["load"]
        assert len(lines) == 3
        known: dict[str, Any] = {"safetensors": safetensors}
        exec("\n".join(lines), known)
        assert known["x"].shape == shape
        assert known["weights"].keys() == run.G.state_dict().keys()


def test_the_weights_file_says_where_it_is_from(mlp: tuple[Run, Path]) -> None:
    with safe_open(mlp[1] / "generator.safetensors", "pt") as file:
        said = file.metadata()
    assert said == {
        "format": "pt",
        "name": "points/r1",
        "iteration": "4",
        "weights": "ema",
        "steadygan": sg.__version__,
    }
