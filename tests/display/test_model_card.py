"""The model card: what the Hub reads in front, and everything that a reader must be told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from steadygan import cli
from steadygan.display.model_card import MARK, model_card

CARD: dict[str, Any] = {
    "name": "cifar10/far", "steadygan": "0.1.0", "iteration": 4_000, "weights": "ema", "parameters": 12_345,
    "latent": {"dim": 128}, "output": {"kind": "images (n, c, h, w)", "shape": [3, 32, 32]}, "classes": None,
    "data": {"name": "cifar10", "size": 50_000, "licence": "no licence stated"},
    "metrics": {
        "protocol": "fakes: 5,000",
        "figures": {"modes": {"final": {"value": 7.0, "iteration": 4_000}, "best": {"value": 9.0, "iteration": 2_000}}},
    },
    "load": ["import torch", "G = 1"],
}  # fmt: skip


def front(text: str) -> dict[str, str]:
    """What stands between the two lines of dashes, by key."""
    first, block, _ = text.split("---\n", 2)
    assert first == ""
    return dict(line.split(": ", 1) for line in block.splitlines())


def test_what_the_hub_reads() -> None:
    told = front(model_card(CARD))
    assert MARK == "library_name: steadygan"
    assert told["library_name"] == "steadygan"
    assert told["license"] == '"other"'
    assert told["pipeline_tag"] == '"unconditional-image-generation"'
    assert told["datasets"] == '["cifar10"]'
    points = CARD | {
        "output": {"kind": "samples in the data's units", "shape": [2]},
        "data": CARD["data"] | {"name": "x"},
    }
    assert not {"pipeline_tag", "datasets"} & front(model_card(points)).keys()
    assert "pipeline_tag" not in front(model_card(CARD | {"classes": {"count": 10}}))


def test_what_a_reader_is_told() -> None:
    text = model_card(CARD, "losing", "d_steep", "D's slope explodes.")
    for title in ("# cifar10/far", "## Use", "## Data and licence", "## Figures", "## Intended use", "## Limits"):
        assert f"\n{title}\n" in text
    assert "12,345 parameters, from normal latents of 128 dimensions to images (n, c, h, w) of 3 x 32 x 32" in text
    assert "Average of the weights after 4,000 iterations" in text
    assert "```python\nimport torch\nG = 1\n```" in text
    assert "50,000 samples of cifar10. Licence of the data: no licence stated." in text
    assert "| modes | 7 | 9 | 2,000 |" in text  # both: the best alone hides a collapse
    assert "Protocol: fakes: 5,000" in text
    assert "The monitor's last verdict: losing (D steep). D's slope explodes." in text


def test_what_is_not_known_is_said() -> None:
    bare = CARD | {
        "latent": {"dim": None}, "weights": "live", "data": {"name": "mine", "size": None, "licence": None},
        "metrics": {"protocol": None, "figures": {}},
    }  # fmt: skip
    text = model_card(bare)
    assert "from conditions to" in text
    assert "Weights after 4,000 iterations" in text
    assert "unlimited samples of mine. Licence of the data: not known: say here" in text
    assert "None were measured." in text
    assert "verdict" not in text


def test_an_export_has_one_and_leaves_others_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = str(tmp_path / "run")
    tiny = ["evaluate.n=100", "log_every=2", "evaluate.every=2", "checkpoint_every=2", "device=cpu", "compile=off"]
    assert cli.main(["train", "ring8/far", *tiny, "--iterations", "2", "--out", run]) == 0
    for _ in range(2):  # its own is replaced
        assert cli.main(["export", run, "--hub-card"]) == 0
        assert "(README.md, card.json, generator.pt2, generator.safetensors)" in capsys.readouterr().out
    readme = tmp_path / "run" / "export" / "README.md"
    assert front(readme.read_text(encoding="utf-8"))["library_name"] == "steadygan"
    readme.write_text("mine", encoding="utf-8")
    assert cli.main(["export", run, "--hub-card"]) == 2
    assert "expected no README.md but an older export's in" in capsys.readouterr().err
    assert readme.read_text(encoding="utf-8") == "mine"
