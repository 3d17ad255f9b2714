"""What a process is told: by torchrun about itself, by signals that it should stop. Known before torch is imported."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType
from typing import Any, Self


def processes() -> int:
    """How many processes torchrun started together; 1 for one alone."""
    return int(os.environ.get("WORLD_SIZE", "1")) if "TORCHELASTIC_RUN_ID" in os.environ else 1


def process_number() -> int:
    """Which of them this is, from 0."""
    return int(os.environ.get("RANK", "0")) if processes() > 1 else 0


def attempt() -> int:
    """How many times torchrun started them again after one failed."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) if processes() > 1 else 0


class StopSignals:
    """Inside the context, these signals are counted in `asked` and do nothing else; `once`: a second acts as before."""

    def __init__(self, *names: str, once: bool = True) -> None:
        self.names, self.once, self.asked = names or ("SIGINT", "SIGTERM"), once, 0
        self._told = 0
        self._before: dict[int, Any] = {}

    def news(self) -> bool:
        """Whether there was another one since this was asked."""
        before, self._told = self._told, self.asked
        return self.asked > before

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():  # elsewhere Python allows no handlers
            for number in (getattr(signal, name) for name in self.names if hasattr(signal, name)):
                self._before[number] = signal.signal(number, self._ask)
        return self

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.asked += 1
        if self.once:
            self._put_back()

    def _put_back(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def __exit__(self, *_: object) -> None:
        self._put_back()
