"""Exports loaded as runs, from folders and from the Hub, and runs pushed there: against a stand-in of its client."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import animals
import numpy as np
import pytest
import torch

import steadygan as sg
from steadygan import cli
from steadygan.errors import InputError
from steadygan.runs.run import Run
from steadygan.runs.settings import without_places
from steadygan.runs.shipped import CARD, PROGRAM, WEIGHTS, fetched
from tiny import points

TINY = ["evaluate.n=100", "log_every=2", "evaluate.every=2", "checkpoint_every=2", "device=cpu", "compile=off"]
REPO = "someone/rings"


class RefusedError(Exception):
    """What the client raises for an answer of the Hub that is none."""

    def __init__(self, status: int) -> None:
        super().__init__(f"{status} Client Error\n\nRequest ID: 1 https://there")
        self.response = SimpleNamespace(status_code=status)


class Hub:
    """The functions of `huggingface_hub` that are used, with repositories as folders."""

    def __init__(self, root: Path) -> None:
        self.root, self.token, self.error = root, "hf_x", None
        self.private: dict[str, bool | None] = {}

    def get_token(self) -> str | None:
        return self.token

    def HfApi(self) -> Hub:
        return self

    def create_repo(self, repo_id: str, *, private: bool | None = None, exist_ok: bool = False) -> str:
        self.answer()
        assert exist_ok
        self.private.setdefault(repo_id, private)
        (self.root / repo_id).mkdir(parents=True, exist_ok=True)
        return f"https://there/{repo_id}"

    def upload_folder(self, *, repo_id: str, folder_path: Path, commit_message: str) -> None:
        self.answer()
        assert commit_message == "Iteration 2"
        shutil.copytree(folder_path, self.root / repo_id, dirs_exist_ok=True)

    def snapshot_download(self, repo_id: str, *, allow_patterns: list[str]) -> str:
        self.answer()
        assert set(allow_patterns) == {CARD, WEIGHTS}  # nothing that could run
        if not (self.root / repo_id).is_dir():
            raise RefusedError(404)
        return str(self.root / repo_id)

    def answer(self) -> None:
        if self.error is not None:
            raise self.error


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    made = Hub(tmp_path / "hub")
    monkeypatch.setitem(sys.modules, "huggingface_hub", made)  # type: ignore[arg-type]
    return made


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on a user's own points, begun from another one: two paths in its settings."""
    here = tmp_path_factory.mktemp("my-private-place")
    np.save(here / "points.npy", (points(300, 2) * 3 + 100).numpy())
    words = ["train", "points/far", *TINY, "--data", str(here / "points.npy"), "--iterations", "2"]
    assert cli.main([*words, "--out", str(here / "first")]) == 0
    assert cli.main([*words, "--init-from", str(here / "first"), "--out", str(here / "run")]) == 0
    return here / "run"


def refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that a command prints for a user's mistake."""
    capsys.readouterr()
    assert cli.main(words) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    return said


def test_an_export_is_a_run_to_sample_from(trained: Path, tmp_path: Path) -> None:
    run = sg.load(trained, device="cpu")
    for weights in ("ema", "live"):
        sg.export(run, tmp_path / weights, weights)
        again = sg.load(tmp_path / weights, device="cpu")
        assert torch.equal(again.sample(300, 5), run.sample(300, 5, weights))  # in the user's units
        assert (again.iteration, again.latent_dim, again.D) == (2, run.latent_dim, {})
    sg.export(again, tmp_path / "again")
    assert torch.equal(sg.load(tmp_path / "again", device="cpu").sample(9), again.sample(9))


def test_classes_survive(tmp_path: Path) -> None:
    run: Run = animals.run()
    card = sg.export(run, tmp_path / "own")
    with pytest.raises(InputError, match=r"your own modules: pass G to load"):
        sg.load(tmp_path / "own")
    again = sg.load(tmp_path / "own", G=animals.networks()[0], device="cpu")
    (wanted,), (found,) = run.stream(50, 3), again.stream(50, 3)
    assert wanted.label is not None
    assert torch.equal(found.x, wanted.x)
    assert torch.equal(found.label, wanted.label)
    network = {"latent_dim": 6, "shape": [3, 8, 8], "classes": 3, "name": "dcgan", "width": 2, "norm": "none"}
    (tmp_path / "own" / CARD).write_text(json.dumps(card | {"network": network}), encoding="utf-8")
    built = sg.load(tmp_path / "own", device="cpu")
    assert torch.equal(built.sample(20, label=2), run.sample(20, label=2))
    assert built.data["class_names"] == list(animals.NAMES)


def test_a_folder_is_sampled_from_and_stays_one(trained: Path, tmp_path: Path) -> None:
    sg.export(sg.load(trained, device="cpu"), tmp_path / "export")
    assert cli.main(["sample", str(tmp_path / "export"), "-n", "8"]) == 0
    with np.load(tmp_path / "export" / "drawn-8-seed-0.npz") as drawn:
        assert np.array_equal(drawn["samples"], sg.load(trained, device="cpu").sample(8).numpy())


@pytest.mark.parametrize("hurt", ["foreign", "no weights", "other weights", "no latent", "huge", "torn", "no network"])
def test_damaged_exports_are_refused(hurt: str, trained: Path, tmp_path: Path) -> None:
    place = tmp_path / "export"
    card: dict[str, Any] = sg.export(sg.load(trained, device="cpu"), place)
    if hurt == "no weights":
        (place / WEIGHTS).unlink()
    elif hurt == "other weights":
        (place / WEIGHTS).write_bytes(b"\x80\x04pickle")
    else:
        card |= {
            "no latent": {"latent": None}, "huge": {"network": card["network"] | {"width": 10**12}},
            "no network": {"network": {"name": "nothing"}},
        }.get(hurt, {})  # fmt: skip
        text = {"foreign": "{}", "torn": "{"}.get(hurt, json.dumps(card))
        (place / CARD).write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as refusal:
        sg.load(place)
    assert "\n" not in str(refusal.value)


def test_a_run_is_pushed_and_fetched(
    trained: Path, hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):  # what is there is replaced
        assert cli.main(["push", str(trained), REPO, "--private"]) == 0
    assert f"https://there/{REPO}" in capsys.readouterr().out
    assert hub.private == {REPO: True}
    there = hub.root / REPO
    assert {path.name for path in there.iterdir()} == {CARD, WEIGHTS, "README.md"}
    readme = (there / "README.md").read_text(encoding="utf-8")
    assert readme.startswith("---\nlibrary_name: steadygan\n")
    assert f'sg.load("hf://{REPO}")' in readme
    assert PROGRAM not in readme
    wanted = sg.load(trained, device="cpu").sample(8, 1)
    assert torch.equal(sg.load(f"hf://{REPO}", device="cpu").sample(8, 1), wanted)
    monkeypatch.chdir(tmp_path)
    assert cli.main(["sample", f"hf://{REPO}", "-n", "8", "--seed", "1"]) == 0
    with np.load("someone-rings-drawn-8-seed-1.npz") as drawn:
        assert np.array_equal(drawn["samples"], wanted.numpy())
    assert {path.name for path in there.iterdir()} == {CARD, WEIGHTS, "README.md"}


def test_no_path_leaves_the_machine(trained: Path, hub: Hub) -> None:
    settings = json.loads((trained / "settings.json").read_text(encoding="utf-8"))
    assert settings["data"]["path"]
    assert settings["init_from"]
    assert cli.main(["push", str(trained), REPO]) == 0
    for path in (hub.root / REPO).iterdir():
        content = path.read_bytes()
        here = str(Path.home()), str(Path.cwd()), str(Path(sg.__file__).parent)
        for part in (*trained.parts[1:], *here):  # the file's own name, points.npy, is that of the data
            if part not in ("tmp", "run"):
                assert part.encode() not in content, (path.name, part)
    kept = json.loads((hub.root / REPO / CARD).read_text(encoding="utf-8"))["settings"]
    assert kept["recipe"] == "points/far"
    assert not {"path"} & kept["data"].keys()
    own = {"method": {"mine": {"file": "/home/me/x", "name": "far"}}, "fakes": {"path": "x"}, "seed": 0}
    assert without_places(own) == {"method": {"mine": {"name": "far"}}, "fakes": {}, "seed": 0}


@pytest.mark.parametrize(
    "name", ["rings", "a/b/c", "/rings", "someone/", "some one/rings", "a/b\n", "../x", "hf://a/b"]
)
def test_a_repository_is_owner_and_name(name: str, trained: Path, hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    assert "expected a repository as owner/name" in refused(["push", str(trained), name], capsys)
    assert not hub.root.exists()


def test_what_cannot_be_pushed(
    trained: Path, hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    push = ["push", str(trained), REPO]
    assert "holds no run" in refused(["push", str(tmp_path / "none"), REPO], capsys)
    shutil.copytree(trained, tmp_path / "bare", ignore=shutil.ignore_patterns("checkpoints"))
    assert "holds no checkpoint" in refused(["push", str(tmp_path / "bare"), REPO], capsys)
    assert "weights" in refused([*push, "--weights", "best"], capsys)
    hub.token = None
    assert "expected a token of the Hub" in refused(push, capsys)
    hub.token = "hf_refused"
    for status in (401, 403):
        hub.error = RefusedError(status)
        assert f"the Hub refused {REPO} (HTTP {status})" in refused(push, capsys)
    for error in (RefusedError(500), ConnectionError("[Errno -3] no name\nresolution"), RuntimeError("")):
        hub.error = error
        said = refused(push, capsys)
        assert f"cannot reach {REPO} at the Hub" in said
        assert "https://" not in said
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert 'pip install "steadygan[hub]"' in refused(push, capsys)


def test_what_cannot_be_fetched(hub: Hub, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"the Hub refused someone/rings \(HTTP 404\)"):
        sg.load(f"hf://{REPO}")
    assert "(HTTP 404)" in refused(["sample", f"hf://{REPO}"], capsys)
    (hub.root / REPO).mkdir(parents=True)
    with pytest.raises(InputError, match=r"an export of steadygan at someone/rings, found no card\.json"):
        sg.load(f"hf://{REPO}")
    with pytest.raises(InputError, match="expected a repository as owner/name, got 'rings'"):
        sg.load("hf://rings")
    hub.error = ConnectionError("no route")
    with pytest.raises(InputError, match="cannot reach someone/rings at the Hub"):
        sg.load(f"hf://{REPO}")
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(InputError, match="not installed"):
        sg.load(f"hf://{REPO}")
    assert fetched("runs/a") == Path("runs/a")  # nothing of the Hub's is asked for
