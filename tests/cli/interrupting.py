"""Commands in a process of their own that get a signal once they train."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path


def interrupted(command: Sequence[str], number: int, cwd: Path, env: Mapping[str, str], sign: str) -> tuple[int, str]:
    """Sends the signal when a line of stderr holds `sign`; the exit code and the last line of stderr."""
    process = subprocess.Popen(command, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if sign in line:
            break
    process.send_signal(number)
    _, err = process.communicate(timeout=120)
    return process.returncode, err.strip().splitlines()[-1]
