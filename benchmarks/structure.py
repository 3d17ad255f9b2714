"""The house in figures: lines, files, circles, names; what one eager step opens, and what runs before the first one.

    python benchmarks/structure.py [--list] [--compile]

The static figures are those that `tests/contracts/test_house.py` holds to its rules. The others are traced in a run of
`train ring8/far`: our own functions (comprehensions and generator expressions apart) that are called before the first
iteration that counts, the own frames on the stack while D's objective is computed, and the files with functions that
one eager iteration calls. --list: names them; --compile: with `compile=on`, which calls more of them.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "contracts"))

import test_house as house

OPTIMISED = 1  # the flag of code that is a function's, not a class's or a module's
ROOT = f"{house.PACKAGE}/"


def static() -> dict[str, Any]:
    """What the source says."""
    folders = {folder: len(paths) for folder, paths in house.folders().items()}
    largest = max(folders, key=lambda folder: folders[folder])
    lazy = [i for i in house.imports() if i.ours and i.lazy]
    return {
        "lines under src": sum(map(house.lines, house.MODULES)),
        "files under src": len(house.MODULES),
        "largest folder": f"{folders[largest]} ({largest})",
        "import circles": len(house.circles()),
        "own imports inside functions": len(lazy),
        "class names twice": sum(len(places) > 1 for places in house.classes().values()),
        "floors at most": max(house.floors(folder) for folder in folders if folder != "."),
    }


def own(frame: FrameType) -> tuple[str, str] | None:
    """File and function of a frame of ours."""
    code = frame.f_code
    if not code.co_filename.startswith(ROOT) or not code.co_flags & OPTIMISED:
        return None
    return code.co_filename.removeprefix(ROOT), getattr(code, "co_qualname", code.co_name)


def above(frame: FrameType | None) -> Iterator[tuple[str, str]]:
    """Our frames from here up."""
    while frame is not None:
        if (found := own(frame)) is not None:
            yield found
        frame = frame.f_back


class Trace:
    """Follows one command until its second iteration is over."""

    def __init__(self) -> None:
        self.before: set[tuple[str, str]] = set()
        self.step: set[tuple[str, str]] = set()
        self.stack: list[tuple[str, str]] = []
        self.recorded = self.begun = False
        self.inside = 0

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        found = own(frame)
        if found is None or event not in ("call", "return"):
            return
        name = found[1].rpartition(".")[2]
        if event == "return":
            self.inside -= name == "iteration" and self.inside > 0
            return
        self.recorded = self.recorded or found == ("runs/log.py", "Log.record")
        if self.recorded and name == "iteration" and found[0].startswith("engine/"):
            self.begun, self.inside = True, self.inside + 1
        if not self.begun:
            self.before.add(found)
        elif self.inside:
            self.step.add(found)
            if name == "d_objective":
                self.stack = [*above(frame)][::-1]


def traced(compiled: bool) -> Trace:
    """A short run of the recipe, followed from the command's first word."""
    trace = Trace()
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        words = ["train", "ring8/far", "--iterations", "20", "--out", f"{folder}/run"]
        sys.setprofile(trace)
        try:
            from steadygan.cli import main as command

            command([*words, f"compile={'on' if compiled else 'off'}"])
        finally:
            sys.setprofile(None)
    return trace


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--compile", action="store_true")
    asked = parser.parse_args()
    for what, figure in static().items():
        print(f"{what}: {figure}")
    trace = traced(asked.compile)
    plain = {found for found in trace.before if "<" not in found[1].rpartition(".")[2]}
    print(f"own functions before the first iteration: {len(plain)}, with comprehensions {len(trace.before)}")
    if trace.stack:
        print(f"own frames while training: {len(trace.stack)}")
    files = sorted({file for file, _ in trace.step})
    print(f"files that one {'compiled' if asked.compile else 'eager'} iteration opens: {len(files)}")
    if asked.list:
        print("\n".join([*(f"  frame {file} {name}" for file, name in trace.stack), *(f"  opens {f}" for f in files)]))


if __name__ == "__main__":
    main()
