"""A run that is interrupted says how to go on, and going on that way ends as if nothing had happened."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from interrupting import interrupted

from steadygan.commands.job import again

WORDS = [
    "ring8/far",
    "--iterations",
    "3000",
    "log_every=20",
    "evaluate.every=1000",
    "evaluate.n=100",
    "device=cpu",
    "compile=off",
]


@pytest.mark.skipif(os.name != "posix", reason="sends a POSIX signal")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_a_signal_saves_and_prints_the_command_that_continues(
    number: int, tmp_path: Path, surroundings: Mapping[str, str], commands: Callable[..., Any]
) -> None:
    command = [sys.executable, "-m", "steadygan", "train", *WORDS, "--out", "my run"]
    code, err = interrupted(command, number, tmp_path, surroundings, ": 3,000 iterations")  # told with the first tick
    assert code == 130
    said, _, continuation = err.partition("; continue with: ")
    assert said.startswith("interrupted after iteration ")
    assert said.endswith("saved in my run")
    words = shlex.split(continuation)
    assert words == ["python", "-m", "steadygan", "train", *WORDS, "--out", "my run", "--resume"]
    if number != signal.SIGINT:
        return
    (done,) = commands([[word if word != "3000" else "60" for word in words[3:]]], tmp_path)
    assert (done.code, done.complaints) == (0, []), done


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (["/x/steadygan", "train"], "steadygan train --resume"),
        (["/x/steadygan", "train", "a=b c", "--resume"], "steadygan train 'a=b c' --resume"),
        (["/x/steadygan/__main__.py", "train", "--seed", "1"], "python -m steadygan train --seed 1 --resume"),
        (["steadygan", "compare", "ring8/far"], "steadygan compare ring8/far"),
    ],
)
def test_the_continuing_command_is_the_one_that_was_given(arguments: list[str], command: str) -> None:
    assert again(arguments) == command
