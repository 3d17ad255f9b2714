"""A function of the user's own as the feature network."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..devices import borrowed
from ..errors import InputError, one_line, unknown
from ..plugins import importing
from .network import Features

SEED = 0  # of the global generators while the user's code runs
PROBES = 2  # images that `check` shows the function


class UserFeatures:
    """Features computed by a function of the user.

    function: takes uint8 images (n, channels, height, width) and returns vectors (n, dim), or (vectors, logits) with
    logits (n, classes), as tensors or arrays. It runs without gradients; global generators are seeded first, so that
    it is reproducible, and restored afterwards, like dtype and threads. `classes` is known once the
    function has been called, by `check` at the latest.
    """

    chunk: int = 256

    def __init__(self, name: str, digest: str, function: Callable[[Tensor], Any]) -> None:
        self.name, self.digest = name, digest
        self.resize = f"as {name} does"
        self.classes: int | None = None
        self._function = function
        self._dim: int | None = None  # features per image; None: not called yet
        self._taken: set[tuple[int, ...]] = set()  # shapes of images that it has been tried with

    def check(self, shape: tuple[int, ...]) -> None:
        """Calls the function on two noise images, once for each shape; raises InputError if the result is wrong."""
        if shape not in self._taken:
            draw = torch.Generator().manual_seed(SEED)
            self(torch.randint(0, 256, (PROBES, *shape), dtype=torch.uint8, generator=draw))
            self._taken.add(shape)

    def __call__(self, images: Tensor) -> Features:
        """Of uint8 images (n, channels, height, width); raises InputError for what fails, or is not as promised."""
        try:
            with _undisturbed(images.device), torch.no_grad():
                result = self._function(images.clone())  # it may work in place
        except Exception as error:
            wanted, got = f"features of uint8 images {tuple(images.shape)}", one_line(error, kind=True)
            raise InputError(f"{self.name}: expected {wanted}, got {got}: fix the function") from error
        vectors, logits = result if isinstance(result, tuple) and len(result) == 2 else (result, None)
        n = images.shape[0]
        found = Features(
            self._rows("features", vectors, n), None if logits is None else self._rows("logits", logits, n)
        )
        dim, classes = found.vectors.shape[1], None if found.logits is None else found.logits.shape[1]
        if self._dim is None:
            self._dim, self.classes = dim, classes
        if (dim, classes) != (self._dim, self.classes):
            raise InputError(
                f"{self.name}: expected the same numbers of features and classes for every image, got {self._dim} and "
                f"{self.classes or 'no'} at first, then {dim} and {classes or 'no'}: fix the function"
            )
        return found

    def _rows(self, what: str, value: object, n: int) -> Tensor:
        """`value` as finite float32 (n, width) on the CPU."""
        numbers = isinstance(value, Tensor) or (isinstance(value, np.ndarray) and value.dtype.kind in "fiub")
        if not numbers:
            kind = f"an array of {value.dtype}" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"
            raise InputError(
                f"{self.name}: expected {what} as a tensor or an array of numbers, got {kind}: return (n, dim) "
                "features, or a tuple of them and (n, classes) logits"
            )
        rows = value.detach() if isinstance(value, Tensor) else torch.from_numpy(np.array(value, dtype=np.float32))
        if rows.ndim != 2 or rows.shape[0] != n or rows.shape[1] == 0 or rows.is_complex():
            dtype = " complex" if rows.is_complex() else ""
            got = f"{dtype} {tuple(rows.shape)}: return one row per image"
            raise InputError(f"{self.name}: expected {what} ({n}, width) of {n} images, got{got}")
        if not bool(rows.isfinite().all()):
            raise InputError(f"{self.name}: expected finite {what}, got NaN or infinity: fix the function")
        return rows.to("cpu", torch.float32, copy=True)  # it may use one tensor again and again


def user_features(name: str) -> UserFeatures:
    """The function named by `module:function`, imported from the current folder or the installed modules.

    Its digest is that of the file that defines it. Raises InputError for another form, a module that is missing or
    fails, a missing function, and anything that is not a function.
    """
    where, _, what = name.partition(":")
    if where.endswith(".py") or not all(part.isidentifier() for part in (*where.split("."), what)):
        raise InputError(f"expected module:function, such as mine:features for that of mine.py, got {name!r}: name one")
    with importing(where, f"a module {where} for {name}", f"{where} for {name}"), _undisturbed(torch.device("cpu")):
        importlib.invalidate_caches()
        module = importlib.import_module(where)
    if not hasattr(module, what):
        public = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        raise unknown(f"function of {where}", what, public)
    function = getattr(module, what)
    if not callable(function):
        raise InputError(f"expected {name} to be a function, got a {type(function).__name__}: name a function")
    home = sys.modules.get(getattr(function, "__module__", None) or where, module)
    return UserFeatures(name, _digest(home, name), function)


@contextlib.contextmanager
def _undisturbed(device: torch.device) -> Iterator[None]:
    """The user's code finds the current folder, as with `python -m`, and seeded generators; the host is left alone."""
    here, state = str(Path.cwd()), (random.getstate(), np.random.get_state())  # noqa: NPY002
    dtype, threads = torch.get_default_dtype(), torch.get_num_threads()
    sys.path.insert(0, here)
    try:
        with borrowed(SEED, device), torch.set_grad_enabled(torch.is_grad_enabled()):
            random.seed(SEED)
            np.random.seed(SEED)  # noqa: NPY002
            yield
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(here)
        random.setstate(state[0])
        np.random.set_state(state[1])  # noqa: NPY002
        torch.set_default_dtype(dtype)
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)


def _digest(module: ModuleType, name: str) -> str:
    file = getattr(module, "__file__", None)
    if file is None:
        raise InputError(f"expected {name} to be defined in a file, got a built-in one: wrap it in your own function")
    return hashlib.sha256(Path(file).read_bytes()).hexdigest()[:12]
