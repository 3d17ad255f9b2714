"""Trains every image recipe at small scale, checks that it lives, and makes the gallery: a grid each, and a table.

    python benchmarks/gallery.py --mnist FOLDER --cifar10 PATH --folder PATH [--only PATTERN] [--iterations N] [--out DIR]

A recipe lives when after its run all its terms were finite, every network's weights have moved, the mean gradient at
the fakes was above 1e-6 at every tick, and 256 fakes lie at least a quarter as far apart as 256 real images do (mean
distance between pixels over all pairs). Runs are kept in DIR, and one that is finished there is read, not trained again.
"""

from __future__ import annotations

import argparse
import json
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from steadygan.config import override
from steadygan.engine.run import Run, load
from steadygan.recipes import RECIPES
from steadygan.recipes.build import networks, source, trainer
from steadygan.viz import image_grid

GALLERY = Path(__file__).parents[1] / "docs" / "gallery"
SETS = ("digits", "mnist", "stacked-mnist", "cifar10", "folder")
SHOWN, MEASURED = 64, 256


def spread(x: Tensor) -> float:
    """Mean Euclidean distance between two different ones of x (n, *shape)."""
    flat = x.flatten(1).double()
    return float(torch.pdist(flat).mean())


def trained(name: str, places: dict[str, str], iterations: int | None, out: Path) -> tuple[Run, Any]:
    """The run of a recipe, finished, and its data."""
    data = name.split("/")[0]
    own = [f"data.path={places[data]}"] if data in places else []
    own += ["data.size=32", "data.channels=3"] if data == "folder" else []
    settings = override(RECIPES[name](scale="small"), own)
    folder = out / name.replace("/", "-")
    length = iterations or settings.horizon
    if (folder / "metrics.jsonl").exists():
        run = load(folder)
        if run.iteration >= length:
            return run, source(settings)
    made = trainer(settings, out=folder, resume=True)
    return made.fit(length), made.setup.source


def life(run: Run, data: Any) -> dict[str, Any]:
    """What the check found, and whether it is enough."""
    assert run.network_settings is not None
    first = dict(zip(("G", "D"), networks(run.network_settings, run.settings["seed"]), strict=True))
    moved = {}
    for name, network in (("G", run.G_live), ("D", run.D)):
        assert isinstance(network, torch.nn.Module)
        now = dict(network.named_parameters())
        moved[name] = all(not torch.equal(now[key].cpu(), p) for key, p in first[name].named_parameters())
    gradients = [record["gradient_mean"] for record in run.metrics]
    real = data.at(torch.arange(data.size)[:: max(1, data.size // MEASURED)][:MEASURED]).x
    share = spread(run.sample(MEASURED, seed=1)) / spread(real)
    finite = not any("was nan" in event or "was inf" in event for event in run.events)
    return {
        "finite": finite,
        "moved": all(moved.values()),
        "gradient": min(gradients),
        "diversity": share,
        "lives": finite and all(moved.values()) and min(gradients) > 1e-6 and share >= 0.25,
    }


def grid(run: Run, path: Path) -> None:
    """64 fakes; a conditional generator's rows are classes."""
    if run.classes is None:
        x, columns = run.sample(SHOWN), 8
    else:
        x, columns = torch.cat([run.sample(8, label=label) for label in range(min(run.classes, 10))]), 8
    image_grid(x.cpu().numpy(), path, columns, max(1, 64 // x.shape[-1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    for name in ("mnist", "cifar10", "folder"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--only", default="*")
    parser.add_argument("--iterations", type=int)
    parser.add_argument("--out", type=Path, default=Path("runs/gallery"))
    given = parser.parse_args()
    places = {"mnist": given.mnist, "stacked-mnist": given.mnist, "cifar10": given.cifar10, "folder": given.folder}
    names = [name for name in RECIPES if name.split("/")[0] in SETS and fnmatch(name, given.only)]
    for name in names:
        run, data = trained(name, places, given.iterations, given.out)
        found = life(run, data)
        final = {key: run.metrics[-1].get(key) for key in ("modes", "emptiest_mode", "balance", "energy_distance")}
        row = {"recipe": name, "iterations": run.iteration, "seconds": round(run.wall_time), **found, **final}
        GALLERY.mkdir(parents=True, exist_ok=True)
        grid(run, GALLERY / f"{name.replace('/', '-')}.png")
        (given.out / f"{name.replace('/', '-')}.json").write_text(json.dumps(row) + "\n", encoding="utf-8")
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
