"""Checkpoint files: complete, atomic, checked on load, the newest few kept."""

from __future__ import annotations

import errno
import io
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

import steadygan as sg
from steadygan.config import override
from steadygan.errors import InputError
from steadygan.recipes import RECIPES, build
from steadygan.runs import checkpoint
from steadygan.runs import folder as folder_files
from steadygan.runs.checkpoint import TrainState
from steadygan.runs.folder import RunFolder
from steadygan.training.probes import Probes
from tiny import assert_same, leaves, saved, state, trainer


def some(iteration: int = 7) -> TrainState:
    leaf = torch.arange(3.0)
    return TrainState(torch.tensor(iteration), {"G": {"w": leaf}}, {}, {}, {"D": {}}, {"run": leaf}, {"d": leaf})


def listed(folder: Path) -> list[str]:
    return [path.name for path in folder_files.listed(folder)]


def test_comes_back_bit_for_bit(tmp_path):
    path = checkpoint.write(tmp_path / "new", some(), {"plan": {"device": "cpu"}, "latent_dim": None})
    assert path == tmp_path / "new" / "000000007.pt"
    content = checkpoint.read(path)
    assert isinstance(content["state"], TrainState)
    assert_same(content["state"], some())
    assert (content["format"], content["plan"], content["latent_dim"]) == (1, {"device": "cpu"}, None)


def test_of_a_run_holds_everything_in_plain_types(tmp_path):
    made = trainer(tmp_path / "run")
    made.fit(30)
    newest = RunFolder(tmp_path / "run").newest
    raw = torch.load(newest, weights_only=True)
    assert raw.keys() >= {"format", "settings", "plan", "state", "latent_dim", "equilibrium", "protocol", "networks"}
    assert raw["state"].keys() == set(TrainState._fields)
    assert raw["settings"]["seed"] == 3
    assert raw["plan"]["executor"] == "eager"
    assert raw["plan"]["torch_version"] == str(torch.__version__)
    plain = Tensor | str | int | float | None
    assert all(isinstance(leaf, plain) for _, leaf in leaves(raw))
    assert_same(saved(tmp_path / "run")["state"], state(made))


def test_keeps_the_newest_few(tmp_path):
    for iteration in (0, 5, 999_999_999, 10):
        checkpoint.write(tmp_path, some(iteration), {})
    checkpoint.prune(tmp_path, keep=1, held=[5])
    assert listed(tmp_path) == ["000000005.pt", "999999999.pt"]
    checkpoint.prune(tmp_path, keep=2)
    assert listed(tmp_path) == ["000000005.pt", "999999999.pt"]
    assert [p.name for p in tmp_path.iterdir() if p.suffix == ".part"] == []


def test_a_run_keeps_the_newest_few(tmp_path):
    trainer(tmp_path, checkpoint_every=10, keep=2).fit(35)
    assert listed(tmp_path / "checkpoints") == ["000000030.pt", "000000035.pt"]


def test_other_files_are_no_checkpoints(tmp_path):
    assert listed(tmp_path / "nowhere") == []
    for name in ("best.pt", "000000003.tmp", "3.pt", "²²²²²²²²².pt"):
        (tmp_path / name).touch()
    assert listed(tmp_path) == []


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_truncated(tmp_path, share):
    path = checkpoint.write(tmp_path, some(), {})
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    refused(path, "is not a complete checkpoint", "truncated or damaged; remove it to continue from the one before")


def test_a_flipped_bit(tmp_path):
    path = checkpoint.write(tmp_path, some(), {})
    content = bytearray(path.read_bytes())
    place = content.find(torch.arange(3.0).numpy().tobytes())
    assert place > 0
    content[place + 5] ^= 1
    path.write_bytes(content)
    refused(path, "is not a complete checkpoint")


@pytest.mark.parametrize(
    "content",
    [
        {"weights": torch.zeros(2)},  # somebody else's checkpoint
        [torch.zeros(2)],
        {"format": 1},
        {"format": 1, "state": {"iteration": torch.tensor(1)}},
        {"format": "new", "state": {}},
    ],
)
def test_a_foreign_file(tmp_path, content):
    path = tmp_path / "000000001.pt"
    torch.save(content, path)
    refused(path, "is not a")


def test_a_pickle_that_would_run_code(tmp_path):
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "ran"),)

    path = tmp_path / "000000001.pt"
    torch.save({"format": 1, "state": Evil()}, path)
    refused(path, "it asks for posix.mkdir beside tensors and plain types, which could run code, and was not read")
    path.write_bytes(pickle.dumps({"format": 1, "state": os.mkdir}))
    refused(path, "it asks for more beside tensors and plain types, which could run code, and was not read")
    assert not (tmp_path / "ran").exists()


def test_text(tmp_path):
    path = tmp_path / "000000001.pt"
    path.write_text("no zip archive")
    refused(path, "is not a complete checkpoint")


def test_a_newer_format(tmp_path):
    path = tmp_path / "000000001.pt"
    torch.save({"format": 2, "state": "whatever format 2 holds"}, path)
    refused(path, "has format 2, but this steadygan reads formats up to 1: upgrade steadygan")


def test_none_there(tmp_path):
    refused(tmp_path / "000000001.pt", "no checkpoint", "start the run")


def refused(path: Path, *told: str) -> None:
    with pytest.raises(InputError) as error:
        checkpoint.read(path)
    message = str(error.value)
    assert str(path) in message
    assert "\n" not in message
    for part in told:
        assert part in message


def test_appears_only_once_it_is_whole(tmp_path, monkeypatch):
    """It is written beside, and only a complete file takes the name: a kill in between leaves nothing that misleads."""
    plain, moved = Path.replace, []

    def look(self, target):
        assert not Path(target).exists()
        assert checkpoint.read(self)["state"].iteration == 7
        moved.append(Path(target).name)
        return plain(self, target)

    monkeypatch.setattr(Path, "replace", look)
    checkpoint.write(tmp_path, some(7), {})
    assert moved == ["000000007.pt"]


class Full(io.RawIOBase):
    """A file on a disk that is full after some bytes."""

    def __init__(self, room: int) -> None:
        self.room = room

    def writable(self) -> bool:
        return True

    def write(self, data) -> int:
        self.room -= len(data)
        if self.room < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return len(data)

    def fileno(self) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("room", [0, 200, 10**9])
def test_a_full_disk_leaves_the_ones_before(tmp_path, monkeypatch, room):
    checkpoint.write(tmp_path, some(1), {})
    before = (tmp_path / folder_files.name(1)).read_bytes()
    plain_open = Path.open

    def full(self, mode="r", *args, **more):
        if "w" in mode:
            plain_open(self, mode).close()
            return Full(room)
        return plain_open(self, mode, *args, **more)

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(InputError) as error:
        checkpoint.write(tmp_path, some(2), {})
    message = str(error.value)
    assert message.startswith(f"cannot write {tmp_path / '000000002.pt'}")
    assert message.endswith(f"continue with --resume; the last good checkpoint is {tmp_path / '000000001.pt'}")
    assert "\n" not in message
    assert [p.name for p in tmp_path.iterdir()] == ["000000001.pt"]
    assert (tmp_path / folder_files.name(1)).read_bytes() == before


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot write"):
        checkpoint.write(tmp_path / "file" / "checkpoints", some(), {})


def test_a_programming_error_is_not_a_full_disk(tmp_path):
    with pytest.raises((AttributeError, TypeError, RuntimeError), match=r"(?i)pickle|local"):
        checkpoint.write(tmp_path, some(), {"wrong": lambda: None})
    assert list(tmp_path.iterdir()) == []


def spoilt(path: Path, *keys: str, value: object) -> None:
    content = torch.load(path, weights_only=True)
    inner = content
    for key in keys[:-1]:
        inner = inner[next(iter(inner)) if key == "*" else key]
    inner[keys[-1]] = value
    torch.save(content, path)


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("plan", None, "plan: expected settings of its own (plan.dtype), got none"),
        ("plan.dtype", "load", "plan.dtype: expected one of float32, float64, float16, bfloat16, got 'load'"),
        ("equilibrium", 3, "equilibrium: expected 2 values separated by commas, each a number, got 3"),
        ("units", 3, "units: expected tensors by name, got 3"),
        ("units", {"offset": torch.zeros(2)}, "units: expected offset and scale of shape (2,), got {'offset': (2,)}"),
        ("latent_dim", "x", "latent_dim: expected a whole number of 0 or more, or none, got 'x'"),
        ("latent_dim", 3, "latent_dim: expected 2, as the generator has, got 3"),
        ("about", "x", "about: expected settings of its own (about.name, about.shape"),
        ("about.class_counts", ["many"], "about.class_counts: expected any number of values"),
        ("reference", {"balance": []}, "reference: expected a number, got {"),
        ("protocols", {"balance": 3}, "protocols: expected protocols by name"),
        ("state.iteration", torch.tensor(7), "iteration: expected the one in its name, got tensor(7)"),
        ("state.networks.G", {"0.weight": 3}, "networks: expected tensors by name"),
        ("state.ema", 2.5, "ema: expected tensors by name"),
        ("state.random", [], "random: expected tensors by name"),
        ("state.sums", {"x": torch.zeros(2).to_sparse()}, "sums: expected tensors by name"),
    ],
)
def test_a_wrong_field(checkpointed, key, value, told):
    path = checkpointed()
    spoilt(path, *key.split("."), value=value)
    refused(path, "is damaged, or was changed", told, "remove it to continue from the one before")


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        (
            "networks.generator.width",
            10**9,
            "generator.width: expected a whole number of at most 65,536, got 1000000000",
        ),
        ("networks.generator.shape", "x", "shape: expected any number of values"),
        ("networks.generator.name", "exec", "unknown generator 'exec'"),
        ("networks.generator.eval", 3, "unknown setting 'generator.eval'"),
        ("networks", None, "generator: expected settings, got none"),
        ("state.networks.G", {}, "the checkpoint is of another model"),
    ],
)
def test_networks_that_cannot_be_built(checkpointed, key, value, told):
    path = checkpointed()
    spoilt(path, *key.split("."), value=value)
    with pytest.raises(InputError) as error:
        sg.load(path.parents[1])
    assert told in str(error.value)


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("state.random.run", torch.zeros(3), "the checkpoint does not fit the run: "),
        ("state.random", {}, "the checkpoint does not fit the run: 'run'"),
        ("state.optimizers.D.*.exp_avg", torch.zeros(3), "exp_avg, got (3,): the checkpoint is damaged"),
        ("state.sums", {"d/D/loss": torch.zeros(3)}, "expected (2,) as the statistics, d/D/loss, got (3,)"),
    ],
)
def test_a_state_that_does_not_fit(checkpointed, key, value, told):
    path = checkpointed()
    spoilt(path, *key.split("."), value=value)
    with pytest.raises(InputError) as error:
        build.trainer(SHORT, path.parents[1], resume=True).fit(4)
    assert told in str(error.value)


SHORT = override(
    RECIPES["ring8/far"](),
    [
        "batch_size=8", "method.fake_as_real.count=2", "generator.width=4", "discriminator.width=4", "evaluate.n=100",
        "device=cpu", "threads=1", "compile=off",
    ],
)  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Probes, "draw", lambda *_: None)
        build.trainer(SHORT, folder).fit(2)
    return folder


@pytest.fixture
def checkpointed(trained: Path, tmp_path: Path) -> Callable[[], Path]:
    """Gives the newest checkpoint of a copy of a run."""
    return lambda: RunFolder(Path(shutil.copytree(trained, tmp_path / "run"))).newest
