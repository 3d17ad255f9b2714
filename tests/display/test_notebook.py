"""A notebook that is executed: one output for a fit, objects that show themselves, and nothing told twice."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest

import steadygan

nbclient = pytest.importorskip("nbclient")
nbformat = pytest.importorskip("nbformat")
pytest.importorskip("ipykernel")

CELLS = {
    "made": """
import sys, torch, steadygan as sg
G = torch.nn.Linear(2, 2)
D = torch.nn.Sequential(torch.nn.Linear(2, 16), torch.nn.LeakyReLU(0.2), torch.nn.Linear(16, 1))
data = sg.data.ring8(n=500)
more = dict(latent_dim=2, evaluate_n=200, log_every=10, evaluate_every=20, device="cpu", threads=1)
trainer = sg.Trainer(G, D, data, **more)
""",
    "fit": "run = trainer.fit(40)",
    "again": "run = trainer.fit(50)",
    "run": "run",
    "trainer": "trainer",
    "data": "data",
    "printed": "print(run)",
    "silent": "sg.Trainer(G, D, data, **more).fit(20, progress=False); None",
    "alarm": """
still = sg.Trainer(torch.nn.Linear(2, 2), D, data, lr_d=1e-30, **more)
still.fit(60)
None
""",
    "shell": '!{sys.executable} -c "import sys; from steadygan.display.screens import movable; '
    'print(movable(sys.stderr))"',
}


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """The outputs of each cell, executed where there is no home to write to."""
    here = tmp_path_factory.mktemp("notebook")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in CELLS.values()])
    with pytest.MonkeyPatch.context() as patch:
        for name in ("JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR"):
            patch.setenv(name, str(here / name))
        patch.setenv("PYTHONPATH", str(Path(steadygan.__file__).parents[1]))
        patch.setenv("OMP_NUM_THREADS", "1")
        nowhere = {"HOME": "/dev/null/home", "IPYTHONDIR": "/dev/null/ipython"} if sys.platform != "win32" else {}
        for name, value in nowhere.items():
            patch.setenv(name, value)
        nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute(cwd=str(here))
    return {name: cell.outputs for name, cell in zip(CELLS, notebook.cells, strict=True)}


def shown(outputs: list[Any]) -> list[str]:
    """The pages among them."""
    return [each.data["text/html"] for each in outputs if "text/html" in each.get("data", {})]


@pytest.mark.parametrize(("cell", "done"), [("fit", 40), ("again", 50)])
def test_a_fit_has_one_output(outputs: dict[str, list[Any]], cell: str, done: int) -> None:
    (only,) = outputs[cell]  # what was shown before was replaced, and nothing went to stderr
    html, plain = only.data["text/html"], only.data["text/plain"]
    assert (
        f"<b>ring8 seed 0</b> <progress value=\"1.0000\" max='1' style='width:16em'></progress> {done}/{done}" in html
    )
    assert html.count("max gradient") == 1
    assert html.count("<svg ") == 1  # fakes before real ones
    assert re.search(rf"\b{done}/{done}, learning, \d/8 modes, max gradient ", plain)
    assert len(plain.splitlines()) == len({*plain.splitlines()})


def test_objects_show_themselves(outputs: dict[str, list[Any]]) -> None:
    for cell, title in (
        ("run", "Run ring8, seed 0: 50 iterations"),
        ("trainer", "Trainer of ring8"),
        ("data", "Source"),
    ):
        (html,) = shown(outputs[cell])
        assert f"<b>{title}" in html
        assert "<svg " in html
        (only,) = outputs[cell]
        assert only.data["text/plain"].startswith(title)
    assert outputs["printed"][0].text.startswith("Run ring8, seed 0: 50 iterations\nlearning")


def test_a_fit_can_be_silent(outputs: dict[str, list[Any]]) -> None:
    assert outputs["silent"] == []


def test_an_alarm_is_a_warning_beside_the_output(outputs: dict[str, list[Any]]) -> None:
    warned = "".join(each.text for each in outputs["alarm"] if each.get("name") == "stderr")
    assert warned.count("CollapseWarning: steadygan: iteration ") == 1
    assert "D's weights do not change" in warned
    (html,) = shown(outputs["alarm"])
    assert "stalled (D still)</b>" in html
    assert "weights do not change" not in html  # it is told once


def test_a_command_of_a_cell_knows_that_nothing_moves_there(outputs: dict[str, list[Any]]) -> None:
    assert "".join(each.text for each in outputs["shell"]).strip() == "False"
