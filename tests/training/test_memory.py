"""Out of memory: what to lower, in one line."""

from __future__ import annotations

import pytest
import torch

from several import one, several
from steadygan.errors import InputError
from steadygan.training.session import Session

CPU = (
    "[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate 9"
)
GPU = "CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of 1.00 GiB"


@pytest.mark.parametrize("error", [RuntimeError(CPU), torch.OutOfMemoryError(GPU)], ids=["cpu", "gpu"])
def test_says_what_to_lower(error, monkeypatch):
    def begin(self):
        raise error

    monkeypatch.setattr(Session, "_begin", begin)
    with pytest.raises(InputError) as alone:
        one(0).fit(10)
    with pytest.raises(InputError) as together:
        several(None, 3).fit(10)
    told = f"expected memory enough for the networks and their batches, got none left ({error}): use "
    assert str(alone.value) == told + "a smaller batch_size or narrower networks"
    assert str(together.value) == told + "fewer than 3 seeds side by side, a smaller batch_size or narrower networks"


def test_another_error_is_left_as_it_is(monkeypatch):
    def begin(self):
        raise RuntimeError("something else")

    monkeypatch.setattr(Session, "_begin", begin)
    with pytest.raises(RuntimeError, match=r"^something else$"):
        one(0).fit(10)
