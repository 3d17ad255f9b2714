"""`steadygan doctor`: whether this machine can train, and how fast."""

from __future__ import annotations

import os
import platform
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import NamedTuple

from .. import __version__
from ..config import override
from ..errors import EXIT_INPUT
from ..places import cache_folder, data_root
from ..recipes import RECIPES
from .console import new_console, tell
from .job import DEFAULT

SECONDS, START = 1.0, 2.0  # of training that are timed, and to get there, about
DEVELOPMENT = ("test", "docs", "dev")  # extras that nobody trains with


class Finding(NamedTuple):
    """One line of the report; `ok` None is information, not a check."""

    what: str
    found: str
    ok: bool | None = None


def doctor() -> int:
    """Prints what was found, one line each; returns 2 when something that training needs is missing."""
    from rich.text import Text

    console = new_console()
    failed = []
    for check in (versions, terminal, folders, devices, timing):
        if check is timing:
            tell(console, f"     measuring how fast {DEFAULT} trains here, some {SECONDS + START:.0f} seconds", "dim")
        try:
            findings = list(check())
        except Exception as error:  # whatever is broken here is what the report is for
            findings = [Finding(check.__name__, f"{type(error).__name__}: {' '.join(str(error).split())}", False)]
        for finding in findings:
            mark, style = {None: ("    ", ""), True: ("ok  ", "green"), False: ("FAIL", "bold red")}[finding.ok]
            tell(console, Text.assemble((mark, style), f" {finding.what}: {finding.found}"))
        failed += [finding.what for finding in findings if finding.ok is False]
    tell(console, f"this needs fixing: {', '.join(failed)}" if failed else "ready: try steadygan train")
    return EXIT_INPUT if failed else 0


def versions() -> Iterator[Finding]:
    """Ours, Python's, those of everything that we build on, and of what may be there beside it."""
    yield Finding("steadygan", __version__)
    yield Finding("python", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    for package in packages():
        try:
            yield Finding(package, version(package), True)
        except PackageNotFoundError:
            yield Finding(package, f"not installed: pip install {package}", False)
    for extra, package in extras():
        try:
            yield Finding(package, version(package), True)
        except PackageNotFoundError:
            yield Finding(package, f"not installed, optional: pip install 'steadygan[{extra}]' for {extra}")


def packages() -> list[str]:
    """What we are made of, extras and tools for development apart."""
    needed = (word for word in requires("steadygan") or () if "extra ==" not in word)
    return sorted(re.split(r"[^\w-]", word, maxsplit=1)[0] for word in needed)


def extras() -> list[tuple[str, str]]:
    """(extra, package) of what one may add."""
    found = (re.match(r"([\w-]+).*extra == ['\"]([\w-]+)['\"]", word) for word in requires("steadygan") or ())
    return sorted((match[2], match[1]) for match in found if match and match[2] not in DEVELOPMENT)


def terminal() -> Iterator[Finding]:
    """What progress will look like."""
    console = new_console()
    kind = f"yes, {console.width} columns, {console.color_system or 'no'} colours" if console.is_terminal else "no"
    yield Finding("terminal", f"{kind}, {sys.stdout.encoding}" + ("" if console.is_terminal else ": plain lines"))


def folders() -> Iterator[Finding]:
    """Where runs and caches are written."""
    import matplotlib

    places: dict[str, Callable[[], str]] = {
        "runs here": lambda: str(Path.cwd()),
        "cache of decoded images": lambda: _made(cache_folder()),
        "data sets": lambda: _made(data_root()),
        "matplotlib's cache": matplotlib.get_cachedir,
        "temporary files": tempfile.gettempdir,
    }
    for what, where in places.items():
        folder = where()
        try:
            with tempfile.NamedTemporaryFile(dir=folder):
                pass
            yield Finding(what, f"{folder} is writable", True)
        except OSError as error:
            yield Finding(what, f"{folder}: {error.strerror}: make it writable", False)


def _made(folder: Path) -> str:
    """The folder, or the nearest one above it that is there: nothing is made by looking."""
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    return str(folder)


def devices() -> Iterator[Finding]:
    """What torch can compute on: a gradient of a gradient, as every penalty needs, tried on each device."""
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    yield Finding("threads", f"{torch.get_num_threads()} chosen by torch, {cores} cores available")
    names = ["cpu"]
    names += [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    names += ["mps"] if torch.backends.mps.is_available() else []
    for name in names:
        x = torch.tensor([2.0], device=name, requires_grad=True)
        (slope,) = torch.autograd.grad(x**3, x, create_graph=True)
        (curve,) = torch.autograd.grad(slope.sum(), x)
        label = f" ({torch.cuda.get_device_name(name)})" if name.startswith("cuda") else ""
        good = abs(float(curve) - 12.0) < 1e-3
        yield Finding(f"device {name}{label}", "works" if good else f"d2(x^3) at 2 was {float(curve)}, not 12", good)


def timing() -> Iterator[Finding]:
    """Iterations per second of the default recipe on the default device, measured for about a second."""
    from ..recipes.build import trainer

    quiet = ["evaluate.every=1000000000", "log_every=1000000000", "evaluate.n=100"]
    made = trainer(override(RECIPES[DEFAULT](), quiet))
    rate = made.fit(100, progress=False).iterations_per_second
    run = made.fit(100 + max(1, int(SECONDS * rate)), progress=False)
    rate = run.iterations_per_second
    minutes = RECIPES[DEFAULT]().horizon / rate / 60
    yield Finding(
        f"step of {DEFAULT} on {run.device}",
        f"{1e6 / rate:,.0f} microseconds, {rate:,.0f} iterations per second: a run takes {minutes:.1f} minutes",
        True,
    )
