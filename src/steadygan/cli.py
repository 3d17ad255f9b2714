"""The command line, thin: words in, one command called, an exit code out."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from . import __version__
from .commands.console import say_error
from .config.values import Reader, ReadError, Text, real, whole
from .errors import EXIT_INPUT, EXIT_INTERRUPTED, CollapseError, InputError, NonFiniteError
from .plugins import load

app = typer.Typer(
    name="steadygan",
    help="Train GANs that do not collapse, and see while they train whether they do, and why.",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def command(name: str, module: str = "") -> Callable[..., int]:
    """What carries out a command, imported only now: `--help` and wrong options answer without it."""
    return getattr(import_module(f".commands.{module or name}", __package__), name)  # type: ignore[no-any-return]


def at_least(low: int, high: int | None = None) -> Callable[[str], int]:
    """Reads an option as the settings read their numbers, with their words for what was expected."""
    return partial(_number, whole(low, high))


def above(low: float) -> Callable[[str], float]:
    """The same for any number above `low`."""
    return partial(_number, real(above=low))


def _number(read: Reader, text: str) -> Any:
    try:
        return read(Text(text))
    except ReadError as error:
        raise typer.BadParameter(f"expected {error}, got {text}") from None


Words = Annotated[list[str] | None, typer.Argument(metavar="RECIPE KEY=VALUE", show_default=False)]
Recipes = Annotated[list[str], typer.Argument(metavar="RECIPE [KEY=VALUE]", show_default=False)]
Data = Annotated[
    Path | None,
    typer.Option(help="Your data: a .npy, .npz or .csv file of points, or a folder, .zip, .npy or .npz of images."),
]
Scale = Annotated[str, typer.Option(metavar="full|small", help="small: what two cores can train.")]
Run = Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder.", show_default=False)]
Weights = Annotated[str, typer.Option(metavar="ema|live", help="The average, or the network as trained.")]
Iterations = Annotated[
    int | None,
    typer.Option(
        parser=at_least(0), metavar="N", help="Where to stop, from 0; the schedule keeps the recipe's length."
    ),
]
Plugins = Annotated[
    list[str] | None,
    typer.Option(
        "--plugin", callback=load, metavar="MODULE", help="A module of yours that registers parts; one or several."
    ),
]


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
) -> None:
    if version:
        print(f"steadygan {__version__}")
    elif context.invoked_subcommand is None:
        print(context.get_help())


@app.command()
def train(
    words: Words = None,
    data: Data = None,
    out: Annotated[Path | None, typer.Option(help="The run's folder, by default runs/RECIPE/seed-S.")] = None,
    iterations: Iterations = None,
    seed: Annotated[
        int | None, typer.Option(parser=at_least(0), metavar="S", help="Decides every random number of the run.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the newest checkpoint, or start.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the settings, train nothing.")] = False,
    scale: Scale = "full",
    init_from: Annotated[
        Path | None, typer.Option(metavar="RUN", help="Begin with the weights of this run, on other data perhaps.")
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(
            parser=at_least(1), metavar="K", help="Seeds S .. S+K-1 side by side, each a whole run in DIR/seed-S."
        ),
    ] = None,
    plugin: Plugins = None,
) -> int:
    """Train one GAN, or one per seed: a recipe (default grid25/far), settings changed as KEY=VALUE.

    Keys are those that --dry-run prints, nested with dots: loss=hinge, penalty.r1.weight=0.3, penalty.r1=none,
    method.fake_as_real.count=16, batch_size=128, lr_d=2e-4, generator.width=128, ema=none.
    """
    return command("train")(words or [], data, out, iterations, seed, resume, dry_run, scale, init_from, seeds)


@app.command()
def recipes(
    paper: Annotated[str | None, typer.Option(help="Only recipes that follow this paper.")] = None,
    plugin: Plugins = None,
) -> int:
    """List what can be trained by name."""
    return command("recipes", "train")(paper)


@app.command()
def sample(
    run: Run,
    n: Annotated[int, typer.Option("-n", parser=at_least(1), metavar="N", help="How many samples.")] = 64,
    out: Annotated[
        str | None,
        typer.Option(
            metavar="FORM|PATH",
            help="folder, zip, npz or png-grid, in RUN; or a path: .zip, .npz, .npy, .png, .csv, or a folder.",
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(parser=at_least(0, 2**63 - 1), metavar="S", help="The same seed draws the same samples.")
    ] = 0,
    weights: Weights = "ema",
    label: Annotated[
        str | None, typer.Option(metavar="K", help="All of one class, by name or number from 0 (conditional runs).")
    ] = None,
    truncation: Annotated[
        float | None,
        typer.Option(parser=above(0), metavar="T", help="Cut the latents' distribution off at +-T."),
    ] = None,
    interpolate: Annotated[
        int | None, typer.Option(parser=at_least(2), metavar="K", help="Rows of K samples, from one latent to another.")
    ] = None,
    plugin: Plugins = None,
) -> int:
    """Draw samples from a trained run: images as a folder, .zip, array or grid, points as an array, table or figure."""
    return command("sample")(run, n, out, seed, weights, label, truncation, interpolate)


@app.command()
def export(
    run: Run,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="By default RUN/export.")] = None,
    weights: Weights = "ema",
    plugin: Plugins = None,
) -> int:
    """Write the generator for use without steadygan: weights, a program of torch.export, and a card that says all."""
    return command("export", "sample")(run, out, weights)


@app.command()
def compare(
    words: Recipes,
    data: Data = None,
    seeds: Annotated[int, typer.Option(parser=at_least(1), metavar="K", help="Seeds 0 .. K-1 of each recipe.")] = 1,
    iterations: Iterations = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Where the runs are, by default runs.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    scale: Scale = "full",
    plugin: Plugins = None,
) -> int:
    """Set recipes side by side: train what is missing, tabulate final and best, say why, draw the curves."""
    return command("compare")(words, data, seeds, iterations, out, json, scale)


@app.command()
def evaluate(
    what: Annotated[
        Path,
        typer.Argument(
            metavar="WHAT", help="A run; a folder, .zip, .npy, .npz of images; a .csv of points.", show_default=False
        ),
    ],
    against: Annotated[
        str | None,
        typer.Option(metavar="DATA", help="Real data: a name (mnist, ring8, ...), a path, or own: the run's."),
    ] = None,
    data: Annotated[Path | None, typer.Option(metavar="PATH", help="Where the files of a named data set are.")] = None,
    n: Annotated[
        int | None, typer.Option("-n", parser=at_least(1), metavar="N", help="Fakes: of a run 10,000, of files all.")
    ] = None,
    seed: Annotated[
        int, typer.Option(parser=at_least(0, 2**63 - 1), metavar="S", help="Draws the fakes of a run.")
    ] = 0,
    weights: Weights = "ema",
    split: Annotated[
        str, typer.Option(metavar="train|held-out", help="Which real images features are compared with.")
    ] = "train",
    features: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="digits, inception, none, module:function of your own, or auto for the data set's own network.",
        ),
    ] = "auto",
    inception: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Inception's weights; without it they are downloaded once.")
    ] = None,
    real: Annotated[
        int, typer.Option(parser=at_least(100), metavar="N", help="Most real images of a split that are looked at.")
    ] = 60_000,
    metrics: Annotated[
        str | None, typer.Option(metavar="A,B", help="Only these figures, such as fid,recall,balance.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print figures and protocols as JSON.")] = False,
    plugin: Plugins = None,
) -> int:
    """Judge what any generator made: quality, diversity, modes, memorisation, each figure with its protocol."""
    return command("evaluate")(what, against, data, n, seed, weights, split, features, inception, real, metrics, json)


@app.command()
def report(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN ...", help="Runs' folders, or folders of several seeds.", show_default=False),
    ],
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="By default report.html: in RUN, or for several in the current folder."),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Serve the page to this machine while runs train, and keep it up to date.")
    ] = False,
    port: Annotated[
        int | None,
        typer.Option(
            parser=at_least(0, 65535), metavar="N", help="Where --follow serves, by default 8765; 0: any that is free."
        ),
    ] = None,
    plugin: Plugins = None,
) -> int:
    """Write one self-contained HTML page: verdicts, events, samples, curves, figures and settings, side by side."""
    return command("report", "diagnose")(runs, out, follow, port)


@app.command()
def diagnose(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="A run's folder, or one of several seeds.", show_default=False)
    ],
    json: Annotated[bool, typer.Option("--json", help="Print the diagnosis as JSON.")] = False,
    plugin: Plugins = None,
) -> int:
    """Say what is the matter with a run: the verdict, since when, on which evidence, and what helps."""
    return command("diagnose")(run, json)


@app.command()
def doctor() -> int:
    """Check versions, devices, folders and speed of this machine."""
    return command("doctor")()


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; whatever the user can mend becomes one line on stderr.

    Returns 0, 2 for bad input, 3 when a term was not finite, 4 when the monitor stopped a run, 130 when interrupted.
    """
    try:
        result = typer.main.get_command(app).main(arguments, "steadygan", standalone_mode=False)
    except (CollapseError, InputError, NonFiniteError) as error:
        say_error(error)
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        return EXIT_INTERRUPTED
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            return 0
        where = f" ({error.filename})" if error.filename else ""
        say_error(f"{error.strerror or error}{where}: free some space or choose another place")
        return EXIT_INPUT
    except Exception as error:
        if not hasattr(error, "format_message"):  # typer's own: a wrong option or argument
            raise
        say_error(error.format_message())
        return EXIT_INPUT
    return result if isinstance(result, int) else 0
