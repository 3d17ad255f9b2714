"""What torchrun tells a process about itself, known before torch is imported."""

from __future__ import annotations

import os


def processes() -> int:
    """How many processes torchrun started together; 1 for one alone."""
    return int(os.environ.get("WORLD_SIZE", "1")) if "TORCHELASTIC_RUN_ID" in os.environ else 1


def process_number() -> int:
    """Which of them this is, from 0."""
    return int(os.environ.get("RANK", "0")) if processes() > 1 else 0


def attempt() -> int:
    """How many times torchrun started them again after one failed."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) if processes() > 1 else 0
