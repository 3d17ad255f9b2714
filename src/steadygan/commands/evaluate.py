"""`steadygan evaluate`: the figures of what any generator made, each with its protocol."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import steadygan as sg

from ..config.values import whole
from ..display.screens import new_screen
from ..display.watch import Watch
from ..errors import InputError
from ..quantities import LABELS, counted
from ..runs.folder import RunFolder
from .console import classes, new_console, new_table, tell
from .options import SEED, Plugins, Weights, option, suggested_runs
from .sample import settings_of, weights_named

FAKES = whole(1, most=10**7)

if TYPE_CHECKING:
    from rich.console import Console


def evaluate(
    what: Annotated[
        Path,
        typer.Argument(
            metavar="WHAT",
            help="A run; a folder, .zip, .npy or .npz of images; a .csv of points.",
            show_default=False,
            autocompletion=suggested_runs,
        ),
    ],
    against: Annotated[
        str | None, option("Real data: a name (mnist, ring8, ...), a path, or own (the run's data).", "DATA")
    ] = None,
    data: Annotated[Path | None, option("Where the files of a named data set are.", "PATH")] = None,
    n: Annotated[
        int | None, option("Number of fakes: by default 10,000 of a run, all of files.", "N", "-n", read=FAKES)
    ] = None,
    seed: Annotated[int, option("Seed for the fakes of a run.", "S", read=SEED)] = 0,
    weights: Weights = "ema",
    split: Annotated[str, option("The real images to compare features with.", "train|held-out")] = "train",
    features: Annotated[
        str,
        option("digits, cifar, inception, none, your own module:function, or auto: that of the data set.", "NAME"),
    ] = "auto",
    inception: Annotated[
        Path | None, option("File with Inception's weights; by default they are downloaded once.", "FILE")
    ] = None,
    real: Annotated[int, option("Use at most this many real images of a split.", "N", read=whole(100))] = 60_000,
    metrics: Annotated[str | None, option("Only these figures, such as fid,recall,balance.", "A,B")] = None,
    as_json: Annotated[bool, option("Print figures and protocols as JSON.", None, "--json")] = False,
    plugin: Plugins = None,
) -> int:
    """Judges what is there, and prints the figures beside real data's."""
    kind = weights_named(weights)
    if against is None:
        hint = "write the name of a data set, such as mnist or cifar10, or the path of real images or points"
        if RunFolder(what.expanduser()).begun:
            hint = f"write --against own for its training data, {settings_of(what).data.name}"
        raise InputError(f"expected --against DATA, got none: {hint}")
    if not what.expanduser().exists():
        raise InputError(f"expected a run, images or points at '{what}', found nothing there: check the path")
    if split not in ("train", "held-out", "held_out"):
        raise InputError(f"expected --split train or held-out, got {split!r}: choose one")
    console = new_console(as_json)
    with Watch(new_screen()) as watch:
        found = sg.evaluate(
            what,
            against,
            n=n,
            seed=seed,
            weights=kind,
            split="train" if split == "train" else "held_out",
            features=_features(features, inception),
            data=data,
            real=real,
            metrics=[] if metrics is None else [name.strip() for name in metrics.split(",") if name.strip()],
            progress=watch.reading,
        )
    if as_json:
        print(json.dumps(found.plain(), indent=2))
    else:
        show(found, console)
    return 0


def show(found: sg.Evaluation, console: Console) -> None:
    """The table, how each figure was measured, and what a user should be told."""
    from ..metrics.protocol import together

    some = next(iter(found.protocols.values()))
    title = f"{found.what} against {found.against}: {some.n_fake:,} fakes"
    title += f", {some.weights} weights" if some.weights else ""
    table = new_table(title, "", "fakes", "real data")
    for name, label in LABELS.items():
        if name not in found.figures:
            continue
        value, real = found.figures[name], found.reference.get(name)
        spread = found.figures.get(f"{name}_std")
        shown = counted(name, value) + ("" if spread is None else f" ± {counted(name, spread)}")
        table.add_row(label, shown, "" if real is None else counted(name, real))
    console.print(table)
    if shares := classes(found.figures):
        tell(console, shares)
    for note in found.notes:
        tell(console, f"note: {note}", "bold yellow")
    shown_protocols = {name: protocol for name, protocol in found.protocols.items() if name in found.figures}
    tell(console, f"measured with: {together(shown_protocols)}", "dim")


def _features(name: str, inception: Path | None) -> str | sg.features.FeatureNetwork | None:
    if inception is not None and name not in ("auto", "inception"):
        raise InputError(f"expected --inception without --features {name}: use one of them")
    if inception is not None:
        return sg.features.InceptionFeatures(inception)
    if ":" in name:
        return sg.features.user_features(name)
    return None if name == "none" else name
