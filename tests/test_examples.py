"""The examples run, and are what they say: five changed lines, torch alone, the README's quickstart."""

from __future__ import annotations

import ast
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"


@pytest.mark.parametrize(
    ("command", "printed"),
    [
        ("standalone_gan.py --iterations 30", "of 8, high-quality samples"),
        ("own_loop.py --iterations 30", "of 8, high-quality samples"),
        ("own_loop.py --iterations 30 --plain", "of 8, high-quality samples"),
        ("quickstart.py --iterations 30", "'iteration': 30"),
        ("wgan_gp.py --iterations 3", "of 8, high-quality samples"),
        ("tokenizer.py --iterations 3 --start 1", "with D: detail "),
        ("super_resolution.py --iterations 2 --warm-up 1", "; with D detail "),
        ("one_step_student.py --iterations 3 --teacher 3", "student, 1 step: modes "),
        ("patch_translation.py --iterations 3", "edges: blurred 0.236, sharpened"),
        ("patch_translation.py --iterations 3 --plain", "edges: blurred 0.236, sharpened"),
        ("vocoder.py --iterations 3", "energy at the pitch: "),
        ("vocoder.py --iterations 3 --plain", "energy at the pitch: "),
        ("tabular_packs.py --iterations 2", "category 2: "),
        ("dcgan_sigmoid.py --iterations 100", "   100 learning"),
        ("monitored_loop.py --iterations 600 --lr-d 1e-30", "; D's weights do not change"),
        ("monitored_loop.py --iterations 200 --lr-d 1e-3", "   200 learning"),
    ],
)
def test_it_runs(
    command: str, printed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name, *arguments = command.split()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [name, *arguments])
    threads = torch.get_num_threads()
    try:
        with torch.random.fork_rng(devices=[]):
            runpy.run_path(str(EXAMPLES / name), run_name="__main__")
    finally:
        torch.set_num_threads(threads)
    assert printed in capsys.readouterr().out


def test_the_monitor_stops_a_lightning_training() -> None:
    pytest.importorskip("lightning", reason="lightning is not installed: pip install lightning")
    words = [sys.executable, str(EXAMPLES / "monitored_lightning.py"), "--iterations", "800", "--lr-d", "1e-30"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    last = done.stdout.splitlines()[-1]
    found = re.match(r"(\d+) iterations, (\d+) looks, stalled: ", last)
    assert found is not None, last
    assert int(found[1]) == 200 * int(found[2]) < 800
    assert re.search(r": steadygan: iteration \d+: stalled: .*: stopped by the monitor", done.stderr)


def test_the_verdict_prunes_a_trial(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """One whose D does not move at all, and one that is not bad: the first is not trained to its end."""
    pytest.importorskip("optuna", reason="optuna is not installed: pip install optuna")
    words = "optuna_study.py --trials 2 --iterations 600 --first 1e-30 1e-3"
    monkeypatch.setattr(sys, "argv", words.split())
    threads = torch.get_num_threads()
    try:
        with torch.random.fork_rng(devices=[]):
            study = runpy.run_path(str(EXAMPLES / "optuna_study.py"), run_name="__main__")["study"]
    finally:
        torch.set_num_threads(threads)
    pruned, done = study.trials
    assert (pruned.state.name, done.state.name) == ("PRUNED", "COMPLETE")
    assert pruned.user_attrs["iterations"] < 600
    assert "D's weights do not change" in pruned.user_attrs["verdict"]
    assert 0.0 <= done.value <= 1.0
    assert "best: trial 1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("example", "package", "said"),
    [
        ("monitored_lightning", "lightning.pytorch", "this example needs Lightning: pip install lightning"),
        ("optuna_study", "optuna", "this example needs Optuna: pip install optuna"),
    ],
)
def test_an_example_says_what_it_needs(example: str, package: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(SystemExit) as told:
        runpy.run_path(str(EXAMPLES / f"{example}.py"), run_name="__main__")
    assert told.value.code == said


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_it_is_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) < 120


def test_every_change_of_the_failures_still_applies() -> None:
    found = runpy.run_path(str(ROOT / "benchmarks" / "example_failures.py"))
    for case in found["CASES"]:
        texts = [text for _, text in case.ways()]
        assert len({*texts}) == 2 + len(case.remedies), case.example
        for text in texts:
            compile(text, case.example, "exec")
            assert text.count(found["SEED"]) == 1


def test_every_failure_has_a_page_in_the_index() -> None:
    pages = ROOT / "docs" / "examples"
    index = (pages / "README.md").read_text(encoding="utf-8")
    for case in runpy.run_path(str(ROOT / "benchmarks" / "example_failures.py"))["CASES"]:
        assert f"({case.example}.md)" in index
        page = (pages / f"{case.example}.md").read_text(encoding="utf-8")
        for name, _ in case.ways():
            assert f"\n| {name} |" in page


def test_own_loop_changes_at_most_five_lines() -> None:
    lines = (EXAMPLES / "own_loop.py").read_text(encoding="utf-8").splitlines()
    code = [line for line in lines if re.search(r"\b(sg|far|r1)\b", line) and not line.lstrip().startswith(('"', "#"))]
    assert len(code) <= 5
    assert all(line.endswith("# steadygan") for line in code)


def test_standalone_imports_torch_alone_in_about_80_lines() -> None:
    text = (EXAMPLES / "standalone_gan.py").read_text(encoding="utf-8")
    imported = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(str(node.module).split(".")[0])
    assert imported <= {"torch"} | sys.stdlib_module_names
    assert len(text.splitlines()) <= 85


def test_quickstart_is_the_readmes() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(import torch, steadygan as sg\n.*?)```", readme, flags=re.S)
    shown = [line.strip() for line in block.splitlines() if line.strip()][1:]  # but the import
    example = [line.strip() for line in (EXAMPLES / "quickstart.py").read_text(encoding="utf-8").splitlines()]
    assert len(shown) <= 10
    for line in shown:
        assert line.replace("2_000", "iterations") in example, line
