"""The monitor stands apart from a loop: it disturbs nothing, and goes on from its state as if nothing had been."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

import steadygan as sg
from known import normal, seeded
from steadygan.errors import InputError


def norms(seed: int = 0) -> nn.Module:
    """Batch norm, dropout and spectral norm: buffers that move, and random numbers."""
    return seeded(
        seed,
        lambda: nn.Sequential(
            parametrizations.spectral_norm(nn.Linear(2, 16)),
            nn.BatchNorm1d(16),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Dropout(0.5),
            nn.Linear(16, 1),
        ),
    )


def kept(network: nn.Module) -> dict[str, Any]:
    """All of a network that could be disturbed."""
    parts = dict(network.named_modules())
    return {
        "tensors": {name: tensor.clone() for name, tensor in network.state_dict(keep_vars=False).items()},
        "same": [id(parameter) for parameter in network.parameters()] + [id(buffer) for buffer in network.buffers()],
        "versions": [tensor._version for tensor in (*network.parameters(), *network.buffers())],
        "grad": [None if p.grad is None else p.grad.clone() for p in network.parameters()],
        "flags": [parameter.requires_grad for parameter in network.parameters()],
        "modes": {name: part.training for name, part in parts.items()},
        "hooks": [(len(part._forward_hooks), len(part._forward_pre_hooks)) for part in parts.values()],
    }


def test_nothing_is_disturbed() -> None:
    D, G = norms(), norms(1)
    D[1].eval()
    next(D.parameters()).requires_grad_(False)
    list(D.parameters())[-1].grad = normal(5, 1)
    x, y = normal(0, 64, 2).requires_grad_(), normal(1, 64, 2).requires_grad_()
    before = kept(D), kept(G), torch.get_rng_state(), torch.get_default_dtype(), torch.get_num_threads()
    monitor = sg.CollapseMonitor(1)
    for enabled in (True, False):
        with torch.set_grad_enabled(enabled):
            monitor.observe(D=D, real=x, fake=y, held_out=normal(2, 20, 2), d_loss=x.sum(), G=G)
            assert torch.is_grad_enabled() == enabled
    after = kept(D), kept(G), torch.get_rng_state(), torch.get_default_dtype(), torch.get_num_threads()
    torch.testing.assert_close(after[:3], before[:3], rtol=0.0, atol=0.0)
    assert after[3:] == before[3:]
    assert x.grad is None
    assert y.grad is None
    assert (x.requires_grad, y.requires_grad) == (True, True)


def train(watch: Callable[..., Any] | None, between: bool = False) -> tuple[dict[str, Tensor], Tensor]:
    """A short run; `between`: looks are taken between forward and backward."""
    torch.manual_seed(0)
    D, G = norms().float(), nn.Linear(2, 2)
    opt = torch.optim.Adam([*D.parameters()], lr=1e-3), torch.optim.Adam([*G.parameters()], lr=1e-3)
    for _ in range(12):
        x, y = torch.randn(32, 2), G(torch.randn(32, 2)).detach()
        d_real, d_fake = D(x), D(y)
        loss = nn.functional.softplus(-d_real).mean() + nn.functional.softplus(d_fake).mean()
        opt[0].zero_grad()
        told = {"D": D, "real": x, "fake": y, "real_logits": d_real, "fake_logits": d_fake, "d_loss": loss, "G": G}
        if watch is not None and between:
            watch(**told)
        loss.backward()  # type: ignore[no-untyped-call]
        opt[0].step()
        if watch is not None and not between:
            watch(**told)
        g_loss = nn.functional.softplus(-D(G(torch.randn(32, 2)))).mean()
        opt[1].zero_grad()
        g_loss.backward()
        opt[1].step()
    return {**D.state_dict(), **G.state_dict(prefix="G.")}, torch.get_rng_state()


@pytest.mark.parametrize("between", [False, True])
def test_a_watched_loop_ends_with_the_same_bits(between: bool) -> None:
    torch.testing.assert_close(train(sg.CollapseMonitor(2).observe, between), train(None), rtol=0.0, atol=0.0)


def test_looks_are_taken_in_eval_mode_without_the_steps_dropout() -> None:
    one, other = sg.CollapseMonitor(1), sg.CollapseMonitor(1)
    D = norms()
    one.observe(D=D, real=normal(0, 64, 2), fake=normal(1, 64, 2))
    torch.manual_seed(77)
    other.observe(D=D.eval(), real=normal(0, 64, 2), fake=normal(1, 64, 2))
    assert one.records == other.records


def test_under_autocast_and_inference_mode() -> None:
    D = norms().float()
    x, y = normal(0, 64, 2).float(), normal(1, 64, 2).bfloat16()
    plain, mixed, inference = (sg.CollapseMonitor(1) for _ in range(3))
    plain.observe(D=D, real=x, fake=y.float())
    with torch.autocast("cpu", torch.bfloat16):
        mixed.observe(D=D, real=x, fake=y)
        assert torch.is_autocast_enabled("cpu")
    with torch.inference_mode():
        inference.observe(D=D, real=x.clone(), fake=y.clone())
        assert torch.is_inference_mode_enabled()
    assert plain.records == mixed.records == inference.records


JUMP = 60  # it is seen at the end of its block of two calls


def steps(monitor: sg.CollapseMonitor, upto: range) -> list[Any]:
    """A D that changes, fakes that fall together, a loss that jumps once, batches that are too short for a look."""
    told = []
    for i in upto:
        D = seeded(i // 3, lambda: nn.Sequential(nn.Linear(2, 8), nn.LeakyReLU(0.2), nn.Linear(8, 1)))
        fake = normal(1000 + i, 20, 2) * max(0.01, 1.0 - i / 60.0)
        losses = {"d_loss": 0.1 * (i % 5) + 5.0 * (i == JUMP), "g_loss": 0.1 * (i % 3)}
        told.append(monitor.observe(D=D, real=normal(i, 20, 2), fake=fake, average=fake[::2], **losses))
    return told


@pytest.mark.parametrize("at", [0, 5, 13, 47, 61, 90])
def test_goes_on_from_its_state_as_if_nothing_had_been(at: int) -> None:
    unbroken, first, second = (sg.CollapseMonitor(7) for _ in range(3))
    expected = steps(unbroken, range(100))
    told = steps(first, range(at))
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    second.load_state_dict(torch.load(file, weights_only=True))
    told += steps(second, range(at, 100))
    assert told == expected
    assert second.records == unbroken.records
    assert {"learning", "good", "collapsed"} <= {verdict.state for verdict in expected if verdict is not None}
    assert [record["iteration"] for record in second.records] == sorted([*range(7, 100, 7), 62])


def test_a_state_is_not_the_monitors_own() -> None:
    monitor = sg.CollapseMonitor(7)
    steps(monitor, range(10))
    state = monitor.state_dict()
    before = copy.deepcopy(state)
    steps(monitor, range(10, 30))
    assert state.keys() == before.keys()
    assert (state["calls"], state["records"]) == (10, before["records"])
    torch.testing.assert_close([*state["real"]], [*before["real"]], rtol=0.0, atol=0.0)


@pytest.mark.parametrize("state", [{}, {"calls": 3}, [1], None])
def test_another_state_is_refused(state: Any) -> None:
    with pytest.raises(InputError, match="expected the state of a CollapseMonitor") as refused:
        sg.CollapseMonitor().load_state_dict(state)
    assert "\n" not in str(refused.value)
