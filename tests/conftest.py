"""Shared by every test: this folder is importable (`known`, `tiny`), and global state is as each test found it."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is there: each of the runner's processes has one core

import pytest
import torch

from steadygan.training.probes import Probes

DRAW = Probes.draw

signal.signal(
    signal.SIGINT, signal.default_int_handler
)  # a shell's background job, and all it starts, would not hear it


@pytest.fixture(autouse=True, scope="session")
def _no_caches_of_the_user() -> Iterator[None]:
    """Nothing is read from or written to the user's data and cache folders, in processes of a test's own neither."""
    before = {name: os.environ.pop(name, None) for name in ("STEADYGAN_CACHE", "STEADYGAN_DATA")}
    os.environ["STEADYGAN_CACHE"] = tempfile.mkdtemp(prefix="steadygan-cache-")
    yield
    shutil.rmtree(os.environ.pop("STEADYGAN_CACHE"), ignore_errors=True)
    os.environ.update({name: value for name, value in before.items() if value is not None})


@pytest.fixture(autouse=True, scope="session")
def _no_figures() -> Iterator[None]:
    """Runs draw no figures, which take longer than the runs, unless a test asks for them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Probes, "draw", lambda *_: None)
        yield


@pytest.fixture
def drawn_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that uses this draws its runs' figures."""
    monkeypatch.setattr(Probes, "draw", DRAW)


@pytest.fixture(autouse=True)
def _leaves_torch_as_found() -> Iterator[None]:
    """A test, and the code it runs, may not leave another default dtype, grad mode or thread count behind."""
    before = torch.get_default_dtype(), torch.is_grad_enabled(), torch.get_num_threads()
    yield
    assert (torch.get_default_dtype(), torch.is_grad_enabled(), torch.get_num_threads()) == before
