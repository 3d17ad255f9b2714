"""The plan: device, threads and versions, resolved once, and what is said when another one resumes."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, replace

import pytest
import torch
from torch import nn

import steadygan as sg
from steadygan.devices import choose_device
from steadygan.errors import InputError
from steadygan.training.checks import work_of
from steadygan.training.plan import LARGE_STEP, SMALL_STACK, SMALL_STEP, Plan, host, training
from tiny import N, built, saved, trainer

CPU = torch.device("cpu")


def test_small_steps_run_on_one_thread_on_the_cpu():
    assert Plan.resolve(CPU, torch.float32, None, SMALL_STEP - 1).threads == 1
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert Plan.resolve(CPU, torch.float32, None, SMALL_STEP).threads == 2
        assert Plan.resolve(torch.device("cuda"), torch.float32, None, 1).threads == 2
        assert Plan.resolve(CPU, torch.float32, 3, 1).threads == 3
    finally:
        torch.set_num_threads(before)


def test_work_counts_every_use_of_a_weight():
    """Multiply-adds of a batch: a linear layer's weights once per sample, a convolution's once per place."""
    linear = work_of(trainer(G=nn.Linear(2, 2), D=nn.Sequential(nn.Linear(2, 5), nn.ReLU(), nn.Linear(5, 1))).setup)
    assert linear == N * (4 + 10 + 5)
    packed = trainer(G=nn.Linear(2, 2), D=nn.Linear(4, 1), method=sg.methods.Packing(2)).setup
    assert work_of(packed) == N * (4 + 4)
    convolution = nn.Sequential(nn.Conv2d(3, 5, 4, 2, 1), nn.Flatten(), nn.Linear(5 * 4 * 4, 1))
    G = nn.Sequential(nn.Linear(4, 192), nn.Unflatten(1, (3, 8, 8)))
    images = trainer(G=G, D=convolution, data=-torch.ones(9, 3, 8, 8), latent_dim=4).setup
    assert work_of(images) == N * (4 * 192 + 3 * 5 * 16 * 16 + 80)


def test_work_of_networks_that_fail_is_their_size():
    wrong = trainer(G=nn.Linear(2, 2), D=nn.Linear(3, 1)).setup
    assert work_of(wrong) == N * (6 + 4)


def test_differences_are_told():
    plan = Plan.resolve(CPU, torch.float64, 1, 1)
    assert plan.dtype == "float64"
    assert plan.differences(asdict(plan)) == []
    stored = asdict(replace(plan, threads=2, torch_version="2.0.0"))
    assert plan.differences(stored) == ["threads: 2 then, 1 now", f"torch_version: 2.0.0 then, {torch.__version__} now"]
    assert plan.differences({}) != []


def test_devices():
    assert choose_device("cpu") == CPU
    assert choose_device("auto").type in ("cpu", "cuda", "mps")
    for name in ("cuda:99", "gpu", "tpu"):
        with pytest.raises(InputError) as error:
            choose_device(name)
        assert str(error.value) == f"device {name!r} is not available here: use device=auto or device=cpu"


def test_host_is_given_back():
    torch.manual_seed(5)
    before = torch.get_rng_state(), torch.get_num_threads()
    with host(before[1] + 1, 9, CPU):
        assert torch.get_num_threads() == before[1] + 1
        first = torch.rand(3)
    with host(1, 9, CPU):
        assert torch.equal(torch.rand(3), first)
    with suppress(ZeroDivisionError), host(before[1] + 1, 9, CPU):
        torch.rand(3)
        raise ZeroDivisionError
    assert torch.equal(torch.get_rng_state(), before[0])
    assert torch.get_num_threads() == before[1]


def test_training_gives_modes_and_flags_back():
    (network,) = built(0, lambda: nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.Dropout(), nn.BatchNorm1d(2))))
    network.eval()
    network[1].train()
    network[0].bias.requires_grad_(False)
    modes = [m.training for m in network.modules()]
    flags = [p.requires_grad for p in network.parameters()]
    with suppress(ZeroDivisionError), training(network):
        assert all(m.training for m in network.modules())
        network.requires_grad_(False)
        raise ZeroDivisionError
    assert [m.training for m in network.modules()] == modes
    assert [p.requires_grad for p in network.parameters()] == flags


def test_a_runs_plan_is_stored(tmp_path):
    trainer(tmp_path, threads=1).fit(2)
    stored = json.loads((tmp_path / "plan.json").read_text())
    assert stored == saved(tmp_path)["plan"]
    assert (stored["executor"], stored["device"], stored["dtype"], stored["threads"]) == ("eager", "cpu", "float32", 1)


def test_resuming_under_another_plan_says_so(tmp_path):
    trainer(tmp_path, threads=1).fit(2)
    assert trainer(tmp_path, threads=1, resume=True).fit(3).events == []
    run = trainer(tmp_path, threads=2, resume=True).fit(4)
    assert run.events == ["not bit-identical: threads: 1 then, 2 now"]
    assert "not bit-identical: threads: 1 then, 2 now" in (tmp_path / "log.txt").read_text()


@pytest.mark.parametrize(
    ("changes", "layout"),
    [
        ({}, "channels_last"),
        ({"work": LARGE_STEP - 1}, "contiguous"),
        ({"convolutional": False}, "contiguous"),
        ({"members": 2}, "contiguous"),
        ({"compiled": "on"}, "contiguous"),
        ({"compiled": "auto"}, "channels_last"),
        ({"device": torch.device("cuda")}, "contiguous"),
    ],
)
def test_layout_is_that_which_was_measured_to_be_fast(changes, layout):
    asked = {"device": CPU, "dtype": torch.float32, "threads": 1, "work": LARGE_STEP, "convolutional": True} | changes
    assert Plan.resolve(**asked).layout == layout


def test_members_of_a_stack_count_together_for_threads(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    assert Plan.resolve(CPU, torch.float32, None, SMALL_STACK // 4, members=3).threads == 1
    assert Plan.resolve(CPU, torch.float32, None, SMALL_STACK // 4, members=4).threads == 2
    assert Plan.resolve(CPU, torch.float32, None, SMALL_STACK, members=1).threads == 1
