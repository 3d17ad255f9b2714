"""The code of docs/integrations.md runs as it stands there, only for less long."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

PAGE = Path(__file__).parents[2] / "docs" / "integrations.md"
NEEDED = {
    "Plain PyTorch": (),
    "Lightning": ("lightning",),
    "Fabric": ("lightning",),
    "Accelerate": ("accelerate",),
    "Optuna": ("optuna",),
    "TensorBoard and Weights & Biases": ("wandb",),
}


def code() -> dict[str, list[str]]:
    parts = re.split(r"^## (.*)$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    found = {
        title: re.findall(r"^```python\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)
        for title, text in zip(parts[::2], parts[1::2], strict=True)
    }
    return {title: blocks for title, blocks in found.items() if blocks}


@pytest.fixture
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_SILENT", "true")
    threads = torch.get_num_threads()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield
    torch.set_num_threads(threads)
    if "accelerate" in sys.modules:
        sys.modules["accelerate"].state.AcceleratorState._reset_state(reset_partial_state=True)


def test_the_page_has_a_piece_for_each() -> None:
    assert code().keys() == NEEDED.keys()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("surroundings")
@pytest.mark.parametrize("title", NEEDED)
def test_its_code_runs(title: str) -> None:
    for package in NEEDED[title]:
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed: pip install {package}")
    first, *plain = code()["Plain PyTorch"]
    space: dict[str, object] = {"__name__": "page"}
    for block in [first, *(plain if title == "Plain PyTorch" else code()[title])]:
        shorter = block.replace("EPOCHS = 20", "EPOCHS = 1").replace("every=200", "every=20")
        exec(compile(shorter, f"{PAGE.name}: {title}", "exec"), space)
    monitor = getattr(space.get("loop") or space.get("watch"), "monitor", None)
    if monitor is not None:
        assert monitor.calls in (0, 64)
        assert len(monitor.records) in (0, 3)
