"""Trains every image recipe at small scale, checks that it lives, and makes docs/gallery: a grid each, and a table.

    python benchmarks/gallery.py --mnist FOLDER --cifar10 PATH --folder PATH [--only PATTERN] [--out DIR]

writes a row for every run that it finds in DIR into the table of docs/gallery/README.md.

    python benchmarks/gallery.py --figures runs/figures

trains nothing: all figures that `steadygan figure` drew there on one sheet, docs/gallery/figures.png.

A recipe lives when after 1,000 iterations all its terms were finite, every matrix and kernel of both networks has moved
(a relativistic loss does not see D's last bias), the mean gradient at the fakes was above 1e-6 at every tick, and 256
fakes lie at least a quarter as far apart as 256 real images do (mean distance between pixels over all pairs). Runs are
kept in DIR; one that is finished there is not trained again.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from steadygan.config import override
from steadygan.data import Source
from steadygan.figures.gallery import Drawn, drawn_figures
from steadygan.models.build import networks
from steadygan.recipes import RECIPES
from steadygan.recipes.build import trainer
from steadygan.runs.run import Run, load
from steadygan.viz import image_grid
from steadygan.viz.canvas import canvas, without_backend

GALLERY = Path(__file__).parents[1] / "docs" / "gallery"
BEGIN, END = "<!-- table: made by the command above -->", "<!-- end of the table -->"
SETS = ("digits", "mnist", "stacked-mnist", "cifar10", "folder")
SHOWN, MEASURED, LIFE = 64, 256, 1000


def spread(x: Tensor) -> float:
    """Mean Euclidean distance between two different ones of x (n, *shape)."""
    flat = x.flatten(1).double()
    return float(torch.pdist(flat).mean())


def row_of(name: str, places: dict[str, str], out: Path, length: int | None) -> tuple[Run, dict[str, Any]]:
    """The recipe's run at its full length, or that of the check, and what is told of it."""
    data = name.split("/")[0]
    own = [f"data.path={places[data]}"] if data in places else []
    own += ["data.size=32", "data.channels=3"] if data == "folder" else []
    settings = override(RECIPES[name](scale="small"), own)
    folder = out / name.replace("/", "-")
    told = folder.with_suffix(".json")
    if told.exists():
        return load(folder), json.loads(told.read_text(encoding="utf-8"))
    shutil.rmtree(folder, ignore_errors=True)
    made = trainer(settings, out=folder)
    found = life(made.fit(LIFE), made.setup.source)
    run = made.fit(length or settings.horizon)
    final = {key: run.metrics[-1].get(key) for key in ("modes", "emptiest_mode", "balance", "energy_distance")}
    end = {"share_at_end": diversity(run, made.setup.source), **final}
    row = {"recipe": name, **found, "iterations": run.iteration, "seconds": round(run.wall_time), **end}
    told.write_text(json.dumps(row) + "\n", encoding="utf-8")
    return run, row


def diversity(run: Run, data: Source) -> float:
    """How far apart 256 fakes are, relative to 256 real images."""
    assert data.size is not None
    real = data.at(torch.arange(data.size)[:: max(1, data.size // MEASURED)][:MEASURED]).x
    return spread(run.sample(MEASURED, seed=1)) / spread(real)


def life(run: Run, data: Source) -> dict[str, Any]:
    """What the check found, and whether it is enough."""
    assert run.network_settings is not None
    G, D = networks(run.network_settings, run.settings["seed"])
    first, moved = {"G": G, **by_name(D)}, True
    for name, network in {"G": run.G_live, **by_name(run.D)}.items():
        now = dict(network.named_parameters())
        weights = {key: p for key, p in first[name].named_parameters() if p.ndim > 1}
        moved = moved and all(not torch.equal(now[key].cpu(), p) for key, p in weights.items())
    gradient, share = min(record["gradient_mean"] for record in run.metrics), diversity(run, data)
    lives = moved and gradient > 1e-6 and share >= 0.25  # a term that is not finite would have ended the run
    return {"lives": lives, "moved": moved, "gradient": gradient, "share": share}


def by_name(D: Any) -> dict[str, torch.nn.Module]:
    """The discriminators, one named D or several."""
    return dict(D) if isinstance(D, Mapping) else {"D": D}


def grid(run: Run, path: Path) -> None:
    """64 fakes; a conditional generator's rows are classes."""
    if run.classes is None:
        x, columns = run.sample(SHOWN), 8
    else:
        x, columns = torch.cat([run.sample(8, label=label) for label in range(min(run.classes, 10))]), 8
    image_grid(x.cpu().numpy(), path, columns, max(1, 64 // x.shape[-1]))


def contact_sheet(found: dict[str, tuple[Run, dict[str, Any]]], path: Path) -> None:
    """The first 24 fakes of every run, with what the check found below."""
    columns = 5
    rows = -(-len(found) // columns)
    with canvas(path, 2.3 * columns, 1.95 * rows + 0.2) as figure:
        for axes in (every := figure.subplots(rows, columns, squeeze=False).ravel()):
            axes.set_axis_off()
        for axes, (name, (run, row)) in zip(every, found.items(), strict=False):
            x = run.sample(24).clamp(-1, 1).add(1).div(2)
            tiles = x.unflatten(0, (4, 6)).permute(0, 3, 1, 4, 2).flatten(2, 3).flatten(0, 1)  # (4 h, 6 w, c)
            axes.imshow(tiles.squeeze(2).cpu().numpy(), cmap="gray", vmin=0, vmax=1)
            lives = "lives" if row["lives"] else "DOES NOT LIVE"
            axes.set_title(f"{name}\n{lives}, diversity {100 * row['share']:.0f} %", fontsize=8)


def figures_sheet(found: Sequence[Drawn], path: Path, columns: int = 2) -> None:
    """All pictures on one sheet, each under its name, the next one where there is most room."""
    without_backend()
    from matplotlib.image import imread

    width, gap, title = 7.0, 0.3, 0.35  # inches
    feet, tiles = [0.0] * columns, []  # of each column how far it reaches; name, pixels, column, top, height
    for one in found:
        try:
            pixels = imread(one.picture)
        except Exception:  # a damaged file raises whatever its bytes lead to
            continue
        column, height = feet.index(min(feet)), width * pixels.shape[0] / pixels.shape[1]
        tiles.append((one.name, pixels, column, feet[column] + title, height))
        feet[column] += title + height + gap
    if not tiles:
        raise SystemExit("expected drawn figures that can be read, found none")
    across, down = columns * (width + gap) - gap, max(feet) - gap
    with canvas(path, across, down) as sheet:
        sheet.set_layout_engine("none")
        for name, pixels, column, top, height in tiles:
            left, bottom = column * (width + gap) / across, 1.0 - (top + height) / down
            axes = sheet.add_axes((left, bottom, width / across, height / down))
            axes.set_axis_off()
            axes.imshow(pixels, interpolation="antialiased", aspect="auto")
            axes.set_title(name, fontsize=13, pad=4)


def write_table(out: Path) -> None:
    """Puts a row for each recipe that was run into the page, in the order of the recipes."""
    names = [name for name in RECIPES if (out / f"{name.replace('/', '-')}.json").exists()]
    rows = [json.loads((out / f"{name.replace('/', '-')}.json").read_text(encoding="utf-8")) for name in names]
    columns = ["recipe", "lives", "smallest mean gradient", "diversity at 1,000", "iterations", "diversity"]
    columns += ["energy distance", "balance"]
    lines = [f"| {' | '.join(columns)} |", f"|{' --- |' * len(columns)}"]
    for row in rows:
        lines.append(
            f"| [{row['recipe']}]({row['recipe'].replace('/', '-')}.png) | {'yes' if row['lives'] else '**no**'} "
            f"| {row['gradient']:.1e} | {100 * row['share']:.0f} % | {row['iterations']:,} "
            f"| {100 * row['share_at_end']:.0f} % | {row['energy_distance']:.2f} | {row['balance']:.2f} |"
        )
    page = GALLERY / "README.md"
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text("\n".join([f"{before}{BEGIN}", *lines, f"{END}{after}"]), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    for name in ("mnist", "cifar10", "folder"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--only", default="*")
    parser.add_argument("--out", type=Path, default=Path("runs/gallery"))
    parser.add_argument("--sheet", type=Path, help="check only: 1,000 iterations each, and all grids on this sheet")
    parser.add_argument("--figures", type=Path, help="nothing but a sheet of the papers' figures drawn there")
    given = parser.parse_args()
    if given.figures is not None:
        figures_sheet(drawn_figures(given.figures), GALLERY / "figures.png")
        return
    if missing := [name for name in ("mnist", "cifar10", "folder") if getattr(given, name) is None]:
        parser.error(f"expected --{missing[0]}, got none")
    places = {"mnist": given.mnist, "stacked-mnist": given.mnist, "cifar10": given.cifar10, "folder": given.folder}
    GALLERY.mkdir(parents=True, exist_ok=True)
    given.out.mkdir(parents=True, exist_ok=True)
    found: dict[str, tuple[Run, dict[str, Any]]] = {}
    for name in RECIPES:
        if name.split("/")[0] in SETS and fnmatch(name, given.only):
            run, row = row_of(name, places, given.out, LIFE if given.sheet else None)
            found[name] = run, row
            if not given.sheet:
                grid(run, GALLERY / f"{name.replace('/', '-')}.png")
            print(json.dumps(row), flush=True)
    if given.sheet:
        contact_sheet(found, given.sheet)
    else:
        write_table(given.out)


if __name__ == "__main__":
    main()
