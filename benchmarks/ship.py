"""Puts a run's generator into the package: `steadygan sample NAME` draws from it before anything was trained.

    python benchmarks/ship.py RUN

The average's weights as 16-bit numbers, and the card of an export with its licence and hash.
"""

from __future__ import annotations

import argparse
import json
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from safetensors.torch import load_file, save

import steadygan as sg
from steadygan.runs import shipped

FOLDER = Path(shipped.__file__).parent / shipped.FOLDER


def ship(run: sg.Run, folder: Path) -> str:
    """The name under which the run's generator now lies in the folder.

    Raises InputError for a generator that takes labels or gives points: a shipped one makes unlabelled images.
    """
    if run.classes is not None or run.units is not None:
        raise sg.errors.InputError("expected a generator of images without labels, got another: ship no such one")
    with TemporaryDirectory() as place:
        card = sg.export(run, place)
        weights = load_file(Path(place) / "generator.safetensors")
    half = {key: value.to(torch.float16) for key, value in weights.items()}
    content = save(half, {"format": "pt", "name": card["name"]})
    card["settings"]["data"]["path"] = None  # a place on this machine
    del card["load"], card["layers"]  # those of the export's own files
    card |= {"sha256": sha256(content).hexdigest(), "licence": shipped.PERMITTED, "stored": "float16"}
    folder.mkdir(exist_ok=True)
    name = shipped.stem(card["name"])
    (folder / f"{name}.safetensors").write_bytes(content)
    (folder / f"{name}.json").write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return str(card["name"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, metavar="RUN")
    name = ship(sg.load(parser.parse_args().run, device="cpu"), FOLDER)
    size = (FOLDER / f"{shipped.stem(name)}.safetensors").stat().st_size
    print(f"{name}: {size / 1e6:.2f} MB of weights in {FOLDER}")


if __name__ == "__main__":
    main()
