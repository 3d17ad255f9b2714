"""Parts of a user's own are usable by name when --plugin or an installed package brings them, and not otherwise."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

MINE = Path(__file__).with_name("my_parts.py")
ALL = (
    "loss.s=0.2 penalty=r1,drift penalty.drift.weight=0.01 method.scaled.by=0.5 generator=straight "
    "generator.bias=false discriminator=tiny discriminator.widths=6,4 discriminator.leak=0.1 data.scale=2"
)
PLUGIN = ["--plugin", "my_parts"]
LATER = ["train --out run --resume", "sample run -n 9", "export run --out there", "evaluate run --against own -n 101"]
UNKNOWN = "name its module with --plugin, or import it"


@pytest.fixture(scope="module")
def trained(once: Callable[..., Any], apart: Callable[..., Any]) -> Any:
    """A run of nothing but the user's own parts, gone on with, sampled and judged: with the module, then without."""

    def make(folder: Path) -> dict[str, Any]:
        shutil.copy(MINE, folder)
        first = f"train square/smoothed {ALL} --out run --iterations 20"
        again = "train --out run --resume --iterations 30"
        judged = "evaluate run --against own -n 100"
        known = [first, again, "sample run -n 8", "export run", "report run", "diagnose run", judged]
        answers = apart([[*words.split(), *PLUGIN] for words in known], folder)
        later = apart([words.split() for words in LATER], folder)
        return dict(zip([*known, *LATER], [*answers, *later], strict=True))

    return once("cli-plugins", make)


def test_a_run_of_ones_own_parts(trained: Any) -> None:
    folder, answers = trained
    assert [answer.code for words, answer in answers.items() if words not in LATER] == [0] * 7, answers
    settings = json.loads((folder / "run/settings.json").read_text(encoding="utf-8"))
    assert settings["loss"] == {"name": "smoothed", "s": 0.2}
    assert settings["penalty"]["drift"] == {"weight": 0.01}
    assert settings["method"] == {"scaled": {"by": 0.5, "how": "times"}}
    assert settings["generator"] == {"name": "straight", "bias": False}
    assert settings["discriminator"] == {"name": "tiny", "widths": [6, 4], "leak": 0.1}
    assert settings["data"] == {"name": "square", "scale": 2.0, "copies": 1}
    records = [json.loads(line) for line in (folder / "run/metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert records[-1]["iteration"] == 30


def test_a_settings_file_imports_nothing(trained: Any) -> None:
    _, answers = trained
    for words in LATER:
        message = answers[words].refused()
        assert UNKNOWN in message
        assert "unknown" in message


TYPED = {
    "loss=smothed": "unknown loss 'smothed': did you mean 'smoothed'?",
    "loss=smoothed loss.s=x": "loss.s: expected a number, got 'x'",
    "loss=hinge loss.s=1": "unknown setting 'loss.s': loss=hinge has no settings of its own",
    "penalty.drift=0": "penalty.drift.weight: expected a number above 0, got 0",
    "penalty.drift.wieght=1": "unknown setting 'penalty.drift.wieght': did you mean 'penalty.drift.weight'?",
    "method.scaled.how=by": "method.scaled.how: expected one of times, over, got 'by'",
    "method.scaled.now=1": "unknown setting 'method.scaled.now'",
    "discriminator=tiny discriminator.widths=4,x": "discriminator.widths: expected any number of values separated by",
    "discriminator=tiny discriminator.leak=x": "discriminator.leak: expected a number, or none, got 'x'",
    "generator=straight generator.bias=2": "generator.bias: expected true or false, got 2",
    "data=square data.scale=0": "data.scale: expected a number above 0, got 0",
    "data=square data.copies=1.5": "data.copies: expected a whole number of 1 or more, got 1.5",
}


@pytest.fixture(scope="module")
def typed(once: Callable[..., Any], apart: Callable[..., Any]) -> dict[str, Any]:
    def ask(folder: Path) -> dict[str, Any]:
        shutil.copy(MINE, folder)
        answers = apart([["train", "ring8/far", *PLUGIN, *words.split()] for words in TYPED], folder)
        return dict(zip(TYPED, answers, strict=True))

    return dict(once("cli-plugins-typed", ask)[1])


@pytest.mark.parametrize("words", TYPED)
def test_settings_of_ones_own_are_refused_as_all_others(words: str, typed: dict[str, Any]) -> None:
    assert typed[words].refused().startswith(TYPED[words])


MODULES = {
    "twice": "from steadygan.losses import LOSSES, Hinge\nLOSSES.register('hinge')(Hinge)\n",
    "broken": "raise ValueError('no\\ngood')\n",
    "ends": "raise SystemExit(3)\n",
    "lacks": "import nowhere_to_be_found\n",
    "odd": (
        "from steadygan.models import GENERATORS\n"
        "@GENERATORS.register('odd')\ndef odd(latent_dim, shape, classes=None, table: dict = {}): ...\n"
    ),
}
BAD = {
    "twice": "expected to import the plugin twice, got loss 'hinge' is already registered: fix the module",
    "broken": "expected to import the plugin broken, got ValueError: no good: fix the module",
    "ends": "expected to import the plugin ends, got SystemExit: 3: fix the module",
    "lacks": "expected to import the plugin lacks, got ModuleNotFoundError: No module named 'nowhere_to_be_found'",
    "odd": "generator odd: expected a number, bool, str, Literal or tuple of them as the type of table, got dict",
    "absent": "expected a plugin absent, found no such module in ",
    "my_parts.py": "expected a plugin module, such as my_parts for my_parts.py, got 'my_parts.py': name one",
    "a b": "expected a plugin module, such as my_parts for my_parts.py, got 'a b': name one",
}


def test_a_bad_plugin_is_one_line(tmp_path: Path, apart: Callable[..., Any]) -> None:
    for module, text in MODULES.items():
        (tmp_path / f"{module}.py").write_text(text, encoding="utf-8")
    answers = apart([["train", "ring8/far", "generator=odd", "--dry-run", "--plugin", name] for name in BAD], tmp_path)
    for answer, expected in zip(answers, BAD.values(), strict=True):
        assert answer.refused().startswith(expected)


def test_what_is_installed_is_found_by_name(tmp_path: Path, apart: Callable[..., Any]) -> None:
    """An entry point is loaded when a name is met that nobody knows, and only then."""
    about = tmp_path / "mine-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n", encoding="utf-8")
    (about / "entry_points.txt").write_text("[steadygan.plugins]\nmine = my_parts\n", encoding="utf-8")
    shutil.copy(MINE, tmp_path)

    def ask(*lines: str) -> Any:
        return apart([line.split() for line in lines], tmp_path)

    recipe, listed = ask("train square/smoothed --dry-run", "recipes")
    (part,) = ask("train ring8/far loss=smoothed penalty.drift=2 method=scaled --dry-run")
    assert [(answer.code, answer.err) for answer in (recipe, listed, part)] == [(0, "")] * 3
    assert "square/smoothed" in listed.out
    (tmp_path / "my_parts.py").write_text("raise ValueError('loaded')\n", encoding="utf-8")
    known, unknown = (f"train ring8/far loss={name} --dry-run" for name in ("hinge", "hinj"))
    answers = ask(known, unknown)
    assert answers[0].code == 0
    assert "got ValueError: loaded" in answers[1].refused()
