"""Commands in a process of their own that get a signal once they train."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path


def interrupted(command: Sequence[str], number: int, cwd: Path, env: Mapping[str, str], sign: str) -> tuple[int, str]:
    """Sends the signal when a line begins with `sign`; the exit code and what was said on stderr, one line."""
    process = subprocess.Popen(command, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip().startswith(sign):
            break
    process.send_signal(number)
    _, err = process.communicate(timeout=120)
    assert "\n" not in err.strip()
    return process.returncode, err.strip()
