"""Shared by every test: this folder is importable (`known`, `enrolled`), and global state is as each test found it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(autouse=True)
def _leaves_torch_as_found() -> Iterator[None]:
    """A test, and the code it runs, may not leave another default dtype, grad mode or thread count behind."""
    before = torch.get_default_dtype(), torch.is_grad_enabled(), torch.get_num_threads()
    yield
    assert (torch.get_default_dtype(), torch.is_grad_enabled(), torch.get_num_threads()) == before
