"""The command line: arguments in, one command called, an exit code out."""

from __future__ import annotations

import sys
from importlib import import_module
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
MODULES = {"export": "sample", "report": "diagnose", "paper": "compare"}
COMMANDS = {
    "train": "Train a GAN, or one per seed: a recipe (default grid25/far), with settings changed as KEY=VALUE.\n\n"
    "--dry-run prints all keys, nested with dots: loss=hinge, penalty.r1.weight=0.3, penalty.r1=none,\n"
    "method.fake_as_real.count=16, batch_size=128, lr_d=2e-4, generator.width=128, ema=none.",
    "recipes": "List what can be trained by name.",
    "sample": "Draw samples from a trained run: images as a folder, .zip, array or grid; points as an array, table or "
    "figure.",
    "export": "Export the generator for use without steadygan: weights, a torch.export program, and a card.",
    "compare": "Compare recipes or runs: train what is missing, tabulate final and best, explain why, draw the curves.",
    "sweep": "Train every combination of some settings, over recipes and seeds: a sorted table, CSV, report.",
    "paper": "Compare a table of a paper with our runs: train what is missing, and say which claims hold.",
    "figure": "Draw a figure of a paper from your own runs: train what is missing, write PNG, PDF and data.",
    "evaluate": "Evaluate the samples of any generator: quality, diversity, modes, memorisation; with protocols.",
    "report": "Write one self-contained HTML page that shows verdicts, events, samples, curves, figures and settings.",
    "diagnose": "Diagnose a run: the verdict, since when, the evidence, and what helps.",
    "theory": "Check the papers' propositions and theorems by running them: predicted, measured, verdict.",
    "doctor": "Check the versions, devices, folders and speed of this machine.",
}


def root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
) -> None:
    """What `steadygan` does without a command."""
    if version:
        print(f"steadygan {__version__}")
    elif context.invoked_subcommand is None:
        print(context.get_help())


def application(words: list[str]) -> typer.Typer:
    """All commands, of which the one that is called is imported: `--help` and a wrong name answer without any."""
    app = typer.Typer(
        name="steadygan",
        help="Train GANs that do not collapse, and see during training whether they do, and why.",
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(invoke_without_command=True)(root)
    called = next((word for word in words if not word.startswith("-")), None)
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
