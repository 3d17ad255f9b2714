"""Run folders as training leaves them, with whatever records, log and samples a test wants."""

from __future__ import annotations

import json

import numpy as np
import torch

from steadygan.recipes import RECIPES

LEVEL = 1.3862943611198906  # 2 log 2


def records(count=5, every=100, **columns):
    """One record per tick; a column is a number, or a function of the iteration."""
    return [
        {"iteration": i, **{key: value(i) if callable(value) else value for key, value in columns.items()}}
        for i in range(0, count * every, every)
    ]


def run(
    folder,
    rows=None,
    recipe="grid25/far",
    seed=0,
    events=(),
    settings=None,
    protocols=None,
    equilibrium=(LEVEL, LEVEL / 2),
    reference=None,
):
    """Writes a run's folder; `rows` are records, or lines as they are; `events`: see `said`."""
    folder.mkdir(parents=True)
    rows = records(d_loss=1.2, g_loss=0.9, modes=7, high_quality=0.5) if rows is None else rows
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    (folder / "metrics.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    tree = RECIPES[recipe](seed).plain() if settings is None else settings
    (folder / "settings.json").write_text(json.dumps(tree), encoding="utf-8")
    said(folder, *events)
    (folder / "timing.jsonl").write_text('{"iteration": 400, "seconds": 75.2}\n', encoding="utf-8")
    if equilibrium is not None:
        (folder / "checkpoints").mkdir()
        content = {"equilibrium": [*equilibrium], "protocols": protocols or {}, "reference": reference or {}}
        torch.save(content, folder / "checkpoints" / "000000400.pt")
    return folder


def said(folder, *events):
    """Writes what a run said: (iteration, kind, message)."""
    with (folder / "events.jsonl").open("a", encoding="utf-8") as file:
        for iteration, kind, message in events:
            line = {"iteration": iteration, "time": "2026-01-01 10:00:00", "kind": kind, "message": message}
            file.write(json.dumps(line) + "\n")


def grown(folder, iteration, **columns):
    """Writes one record more."""
    with (folder / "metrics.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps({"iteration": iteration, **columns}) + "\n")


def points(folder, iterations=(0, 100, 400), n=50, seed=0):
    """Snapshots of a 2-D run: points around (iteration, 0) / 1000 over a surface that rises along x."""
    (folder / "samples").mkdir(exist_ok=True)
    rng = np.random.default_rng(seed)
    surface = np.tile(np.linspace(-2, 2, 16, dtype=np.float32), (16, 1))
    for i in iterations:
        cloud = rng.normal(0, 0.1, (n, 2)) + np.array([i / 1000, 0])
        extent = np.array([-2, 2, -2, 2], np.float32)
        slope = np.zeros((3, 5, 2), np.float32)
        slope[..., 0], slope[1, 2, 0] = 0.5, 1000.0  # to the right, steep in the middle
        kept = {"surface": surface, "extent": extent, "slope": slope}
        np.savez(folder / "samples" / f"{i:09d}.npz", points=cloud, **kept)
    return folder


def grids(folder, iterations=(0, 100, 400), side=40):
    """Image grids whose grey is a function of the iteration."""
    from PIL import Image

    (folder / "samples").mkdir(exist_ok=True)
    for i in iterations:
        Image.new("L", (side, side), 50 + i // 4).save(folder / "samples" / f"{i:09d}.png")
    return folder
