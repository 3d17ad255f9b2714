"""The options that several commands have, and how numbers are read from words."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ..config.values import Reader, ReadError, Text, whole
from ..plugins import load


def number_option(read: Reader, metavar: str, help: str, *names: str) -> Any:  # noqa: A002, typer's word
    """An option read as the settings read their numbers, with their words for what was expected."""

    def parsed(text: str) -> Any:
        try:
            return read(Text(text))
        except ReadError as error:
            raise typer.BadParameter(f"expected {error}, got {text}") from None

    return typer.Option(*names, parser=parsed, metavar=metavar, help=help)


Data = Annotated[
    Path | None,
    typer.Option(help="Your data: a .npy, .npz or .csv file of points, or a folder, .zip, .npy or .npz of images."),
]
Scale = Annotated[str, typer.Option(metavar="full|small", help="small: what two cores can train.")]
RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder.", show_default=False)]
Weights = Annotated[str, typer.Option(metavar="ema|live", help="The average, or the network as trained.")]
Iterations = Annotated[
    int | None, number_option(whole(0), "N", "Where to stop, from 0; the schedule keeps the recipe's length.")
]
Plugins = Annotated[
    list[str] | None,
    typer.Option(
        "--plugin", callback=load, metavar="MODULE", help="A module of yours that registers parts; one or several."
    ),
]
SEED = whole(0, 2**63 - 1)
