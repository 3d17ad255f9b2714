"""The command line: arguments in, one command called, an exit code out."""

from __future__ import annotations

import os
import shlex
import sys
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from . import __version__
from .commands.console import say_error
from .errors import (
    EXIT_INPUT,
    EXIT_INTERRUPTED,
    CollapseError,
    InputError,
    NonFiniteError,
    ToldError,
    one_line,
    out_of_memory,
)
from .processes import process_number

# of `commands`, where the name is another
MODULES = {"export": "sample", "push": "sample", "report": "diagnose", "paper": "compare"}
COMMANDS = {
    "train": "Train a GAN, or one per seed: a recipe (by default grid25/far), with settings changed as KEY=VALUE.\n\n"
    "--dry-run prints all keys, nested with dots: loss=hinge, penalty.r1.weight=0.3, penalty.r1=none,\n"
    "method.fake_as_real.count=16, batch_size=128, lr_d=2e-4, generator.width=128, ema=none.",
    "recipes": "List what can be trained by name: data and methods, or one by one.",
    "sample": "Draw samples from a run: images as a folder, .zip, array or grid; points as an array, table or figure.",
    "export": "Export a run's generator for use without steadygan: weights, a torch.export program, a card.",
    "push": "Push a run's generator to the Hugging Face Hub: weights, settings without local paths, a model card.",
    "compare": "Compare recipes or runs: train what is missing, tabulate final and best, say why, draw the curves.",
    "sweep": "Train every combination of some settings, over recipes and seeds: a sorted table, CSV, report.",
    "paper": "Compare a table of a paper with our runs: train what is missing, and say which claims hold.",
    "figure": "Draw a figure of a paper from your own runs: train what is missing, write PNG, PDF and data.",
    "evaluate": "Evaluate the samples of any generator: quality, diversity, modes, memorisation; with protocols.",
    "report": "Write runs as one HTML page: verdicts, events, samples, curves, figures and settings.",
    "diagnose": "Diagnose a run: its state, since when, the evidence, and what helps.",
    "theory": "Check the papers' propositions and theorems by running them: predicted, measured, verdict.",
    "doctor": "Check the versions, devices, folders and speed of this machine.",
}


def root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", metavar="", help="Print the version and stop.")] = False,
) -> None:
    """What `steadygan` does without a command."""
    if version:
        print(f"steadygan {__version__}")
    elif context.invoked_subcommand is None:
        print("\n".join(what_to_do()))


def what_to_do() -> list[str]:
    """Three things to do next: with the newest run below `runs`, or to get there."""
    begun = [path.parent for path in Path("runs").glob("**/settings.json")]
    newest = max(begun, key=lambda path: path.stat().st_mtime, default=None)
    if newest is None:
        commands = {
            "train": "25 Gaussians in two minutes, watched while they are learnt",
            "train folder/far --data PHOTOS": "your own images: a folder, .zip or array; points/far for a table",
            "recipes": "what else can be trained by name",
        }
    else:
        run = shlex.quote(newest.as_posix())
        commands = {
            f"diagnose {run}": "whether it collapses, why, and what helps",
            f"report {run}": "all of it as one page; --follow while it trains",
            f"sample {run} --out samples.npz": "samples of its generator",
        }
    wide = max(map(len, commands))
    return [
        f"steadygan {__version__}: train GANs that do not collapse, and see during training whether they do",
        "",
        *(f"  steadygan {command:<{wide}}   {why}" for command, why in commands.items()),
        "",
        "all commands: steadygan --help; a command's options: steadygan train --help",
    ]


def words_so_far() -> list[str]:
    """The words of a command line that a shell asks to complete."""
    asked = os.environ.get("_TYPER_COMPLETE_ARGS") or os.environ.get("COMP_WORDS", "")
    return asked.split()[1:]


def application(words: list[str]) -> typer.Typer:
    """All commands, of which the one that is called is imported: `--help` and a wrong name answer without any."""
    app = typer.Typer(
        name="steadygan",
        help="Train GANs that do not collapse, and see during training whether they do, and why.",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(invoke_without_command=True)(root)
    called = next((word for word in words or words_so_far() if not word.startswith("-")), None)
    for name, told in COMMANDS.items():
        function = root
        if name == called:
            function = getattr(import_module(f".commands.{MODULES.get(name, name)}", __package__), name)
        app.command(name, help=told)(function)
    return app


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; whatever the user can fix becomes one line on stderr.

    Returns 0, 2 for bad input, 3 when a term was not finite, 4 when the monitor stopped a run, 130 when interrupted.
    """
    words = sys.argv[1:] if arguments is None else arguments
    try:
        result = typer.main.get_command(application(words)).main(words, "steadygan", standalone_mode=False)
    except (CollapseError, InputError, NonFiniteError) as error:
        if process_number() == 0 or (isinstance(error, InputError) and not isinstance(error, ToldError)):
            say_error(error)  # what all processes meet is said once
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        return EXIT_INTERRUPTED
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            return 0
        where = error.filename or "what is printed"
        say_error(f"cannot write or read {where}: {error.strerror or error}: free some space or choose another place")
        return EXIT_INPUT
    except Exception as error:
        if out_of_memory(error):
            told = one_line(error, kind=True)
            say_error(f"expected the command to fit into memory, got {told}: lower batch_size, widths, or -n")
            return EXIT_INPUT
        if not hasattr(error, "format_message"):  # typer's own: a wrong option or argument
            raise
        say_error(error.format_message())
        return EXIT_INPUT
    return result if isinstance(result, int) else 0
