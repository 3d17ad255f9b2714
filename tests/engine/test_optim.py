"""Optimisers against their formulas, with the papers' settings, and their state as named tensors."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from known import F64, normal
from steadygan.engine.optim import OptimizerSettings, pack, unpack
from steadygan.errors import InputError
from tiny import N, assert_same, built, small_d, trainer

RATE = 0.05


def stepped(settings: OptimizerSettings, steps: int) -> tuple[list[Tensor], list[list[Tensor]]]:
    """Parameters after some steps along gradients chosen beforehand, and these gradients."""
    module = nn.Linear(3, 2).double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(normal(1, *parameter.shape))
    optimizer = settings(module.parameters(), RATE)
    slopes = [[normal(10 * step + p.ndim, *p.shape) for p in module.parameters()] for step in range(steps)]
    for step in slopes:
        for parameter, slope in zip(module.parameters(), step, strict=True):
            parameter.grad = slope.clone()
        optimizer.step()
    return [p.detach() for p in module.parameters()], slopes


def adam(start: Tensor, slopes: list[Tensor], s: OptimizerSettings) -> Tensor:
    m, v, (b1, b2) = torch.zeros_like(start), torch.zeros_like(start), s.betas
    for t, raw in enumerate(slopes, start=1):
        g = raw + s.weight_decay * start
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
        start = start - RATE * (m / (1 - b1**t)) / ((v / (1 - b2**t)).sqrt() + s.eps)
    return start


def rmsprop(start: Tensor, slopes: list[Tensor], s: OptimizerSettings) -> Tensor:
    v, buffer = torch.zeros_like(start), torch.zeros_like(start)
    for raw in slopes:
        g = raw + s.weight_decay * start
        v = s.alpha * v + (1 - s.alpha) * g * g
        buffer = s.momentum * buffer + g / (v.sqrt() + s.eps)
        start = start - RATE * buffer
    return start


def sgd(start: Tensor, slopes: list[Tensor], s: OptimizerSettings) -> Tensor:
    buffer = torch.zeros_like(start)
    for raw in slopes:
        buffer = s.momentum * buffer + raw + s.weight_decay * start
        start = start - RATE * buffer
    return start


FORMULAS: dict[str, Any] = {"adam": adam, "rmsprop": rmsprop, "sgd": sgd}


@pytest.mark.parametrize(
    "settings",
    [
        OptimizerSettings(),
        OptimizerSettings(betas=(0.0, 0.99), eps=1e-6),
        OptimizerSettings(weight_decay=0.1),
        OptimizerSettings("rmsprop"),
        OptimizerSettings("rmsprop", alpha=0.9, momentum=0.5, weight_decay=0.1),
        OptimizerSettings("sgd"),
        OptimizerSettings("sgd", momentum=0.8, weight_decay=0.1),
    ],
    ids=repr,
)
def test_equals_the_formula(settings):
    after, slopes = stepped(settings, 4)
    for index, parameter in enumerate(after):
        expected = FORMULAS[settings.name](normal(1, *parameter.shape), [step[index] for step in slopes], settings)
        torch.testing.assert_close(parameter, expected, rtol=1e-11, atol=1e-11)


def test_the_papers_adam_is_the_default():
    settings = OptimizerSettings()
    assert (settings.name, settings.betas, settings.eps) == ("adam", (0.5, 0.9), 1e-8)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"name": "adm"}, "optimizer.name: expected one of adam, rmsprop, sgd, got 'adm': did you mean 'adam'?"),
        ({"betas": (0.5, 1.0)}, "optimizer.betas: expected two numbers from 0 to below 1"),
        ({"betas": (0.5,)}, "optimizer.betas: expected two numbers"),
        ({"alpha": 1.0}, "optimizer.alpha: expected a number from 0 to below 1, got 1.0"),
        ({"momentum": -0.1}, "optimizer.momentum: expected a number from 0 to below 1, got -0.1"),
        ({"eps": -1e-8}, "optimizer.eps: expected a number above 0"),
        ({"weight_decay": -1.0}, "optimizer.weight_decay: expected a number of 0 or more"),
    ],
)
def test_what_makes_no_sense_is_refused(settings, told):
    with pytest.raises(InputError) as error:
        OptimizerSettings(**settings)
    assert told in str(error.value)


def used(settings: Any, steps: int = 3) -> tuple[nn.Module, torch.optim.Optimizer]:
    (module,) = built(0, small_d)
    optimizer = settings(module.parameters(), RATE)
    step(module, optimizer, steps)
    return module, optimizer


def step(module: nn.Module, optimizer: torch.optim.Optimizer, steps: int) -> None:
    for index in range(steps):
        optimizer.zero_grad()
        module(normal(index, N, 2, dtype=next(module.parameters()).dtype)).square().mean().backward()
        optimizer.step()


NAMES = [name for name, _ in small_d().named_parameters()]
ALL = [OptimizerSettings(), OptimizerSettings("rmsprop", momentum=0.5), OptimizerSettings("sgd", momentum=0.9)]


@pytest.mark.parametrize("settings", [*ALL, OptimizerSettings("sgd")], ids=repr)
def test_packed_and_unpacked_it_goes_on_bit_for_bit(settings):
    module, optimizer = used(settings)
    packed = pack(optimizer, NAMES)
    other = small_d()
    other.load_state_dict(module.state_dict())
    again = settings(other.parameters(), 3 * RATE)
    unpack(again, NAMES, packed)
    assert_same(pack(again, NAMES), packed)
    again.param_groups[0]["lr"] = RATE
    for trained, by in ((module, optimizer), (other, again)):
        step(trained, by, 2)
    assert_same(dict(other.state_dict()), dict(module.state_dict()))


@pytest.mark.parametrize("settings", ALL, ids=repr)
def test_packed_names_and_plain_types(settings):
    _, optimizer = used(settings)
    packed = pack(optimizer, NAMES)
    assert list(packed) == NAMES
    for entries in packed.values():
        assert entries
        assert all(isinstance(value, Tensor | int | float) for value in entries.values())


def test_unpacking_takes_copies_and_keeps_hyper_parameters():
    _, optimizer = used(OptimizerSettings())
    packed = pack(optimizer, NAMES)
    other = small_d()
    again = OptimizerSettings(betas=(0.1, 0.2))(other.parameters(), 0.7)
    unpack(again, NAMES, packed)
    step(other, again, 1)
    assert again.param_groups[0]["lr"] == 0.7
    assert again.param_groups[0]["betas"] == (0.1, 0.2)
    assert float(packed[NAMES[0]]["step"]) == 3.0


def test_before_the_first_step_there_is_nothing_to_pack():
    optimizer = OptimizerSettings()(small_d().parameters(), RATE)
    assert pack(optimizer, NAMES) == {}
    unpack(optimizer, NAMES, {})


def test_a_state_of_parameters_that_are_not_trained_is_refused():
    _, optimizer = used(OptimizerSettings())
    fewer = OptimizerSettings()(small_d()[2].parameters(), RATE)
    with pytest.raises(InputError, match=r"other parameters, such as 0\.weight: freeze the same ones"):
        unpack(fewer, NAMES[2:], pack(optimizer, NAMES))


def test_a_function_of_ones_own_may_stand_in_its_place():
    made = []

    def adamax(parameters, lr):
        made.append(torch.optim.Adamax(parameters, lr))
        return made[-1]

    run = trainer(optimizer=adamax, lr_d=2e-2).fit(4)
    assert [o.param_groups[0]["lr"] for o in made] == [1e-2, 2e-2]
    assert run.settings["optimizer"].endswith("adamax")


def test_float64_is_trained_in_float64():
    trained = trainer(dtype=F64)
    run = trained.fit(2)
    assert {p.dtype for p in (*run.G.parameters(), *run.D.parameters())} == {F64}
    entries = trained.session.members[0].state().optimizers["D"]["D.0.weight"]
    assert entries["exp_avg"].dtype == F64
