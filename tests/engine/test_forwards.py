"""How often an iteration asks the networks: what is known already is not computed again."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from typing import Any

import pytest
import torch
from steps import executor, run
from torch import Tensor, nn
from torch.testing import assert_close

import steadygan as sg
from known import F64
from steadygan.engine import executor as eager
from tiny import N, networks

losses, penalties, methods = sg.losses, sg.penalties, sg.methods
R1 = penalties.r1(1.0)
SDP = methods.SampleDifferences(start=0, count=2)


class Counted:
    """The calls of a module: how many samples, and whether gradients were on."""

    def __init__(self, module: nn.Module) -> None:
        self.calls: list[tuple[int, bool]] = []
        module.register_forward_hook(lambda _, args, __: self.calls.append((len(args[0]), torch.is_grad_enabled())))


def counted(d_steps: int = 1, **parts: Any) -> tuple[Counted, Counted]:
    """G's and D's calls of one iteration."""
    G, D = (network.to(F64) for network in networks())
    made = executor(G, D, **parts)
    g, d = Counted(G), Counted(D)
    run(made, 1, d_steps)
    return g, d


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({}, 3),  # reals, fakes, and the fakes of G's step
        ({"penalties": (R1, penalties.r2(1.0))}, 3),  # measured where the loss looked
        ({"penalties": (penalties.zero_gp(1.0),)}, 4),  # between them, where nobody looked yet
        ({"penalties": (R1,), "method": methods.FakeAsReal(2, 2)}, 4),  # and the candidates
        ({"loss": losses.RelativisticPairing(), "penalties": (R1, penalties.r2(1.0))}, 4),  # and reals in G's step
        ({"method": SDP}, 4),  # the same
        ({"method": replace(SDP, feature_layers=("0", "1"))}, 4),  # features come along
        ({"method": methods.chain(methods.FakeAsReal(2, 2), SDP), "penalties": (R1,)}, 5),  # and the candidates
        ({"loss": losses.Nothing(), "method": methods.Cramer()}, 5),  # and fakes held back, reals in G's step
        ({"loss": losses.Nothing(), "method": methods.Cramer(), "penalties": (R1, penalties.one_gp(1.0))}, 6),
    ],
    ids=[
        "plain", "r1 and r2", "zero_gp", "fake-as-real", "relativistic",
        "sdp", "sdp with layers", "sdp after fake-as-real", "cramer", "cramer with one_gp",
    ],
)  # fmt: skip
def test_forwards_of_d_are_shared(parts: dict[str, Any], expected: int) -> None:
    _, d = counted(**parts)
    assert len(d.calls) == expected


def test_candidates_are_ranked_without_a_graph() -> None:
    _, d = counted(penalties=(R1,), method=methods.FakeAsReal(2, 2))
    assert [n for n, graph in d.calls if not graph] == [4]
    assert [n for n, graph in d.calls if graph] == [N, N, N]


def test_reals_of_a_generator_step_are_constants() -> None:
    """Sample differences see D's step on reals and fakes, then G's on its fakes, and on reals without a graph."""
    _, d = counted(method=SDP)
    assert sorted(d.calls) == [(N, False), *[(N, True)] * 3]
    _, d = counted(loss=losses.Nothing(), method=methods.Cramer())
    assert sorted(d.calls) == [(N, False), *[(N, True)] * 3, (2 * N, True)]


def test_a_denoiser_is_asked_once_by_either_player() -> None:
    """And D itself no more often than without it."""

    class Denoised(nn.Sequential):
        auxiliaries, features = ("denoiser",), 2

        def forward(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
            return self.body(x), {"h": x}

    (body,) = networks()[1:]
    D = Denoised(OrderedDict(body=body, denoiser=nn.Linear(2, 2))).to(F64)
    made = executor(networks()[0].to(F64), D, method=methods.DenoisingFeatureMatching(features=2))
    d, denoiser = Counted(D), Counted(D.denoiser)
    run(made, 1)
    assert len(d.calls) == 3
    assert denoiser.calls == [(N, True), (N, True)]


def test_a_reused_batch_is_the_discriminators_own() -> None:
    """Sample differences with reuse_batch: G's step sees the z and the reals of D's last step, else ones of its own."""
    for reuse in (True, False):
        G, D = (network.to(F64) for network in networks())
        made = executor(G, D, method=replace(SDP, reuse_batch=reuse))
        z, x = [], []
        G.register_forward_pre_hook(lambda _, given, z=z: z.append(given[0].clone()))
        D.register_forward_pre_hook(lambda _, given, x=x: x.append(given[0].clone()))
        run(made, 1)
        assert torch.equal(z[0], z[1]) == reuse
        assert any(torch.equal(x[0], shown) for shown in x[2:]) == reuse  # x[0] are the reals of D's step


def test_forwards_of_g_are_shared_between_d_steps() -> None:
    """G stays as it is while D takes its steps: the fakes of all of them come from one forward."""
    g, _ = counted(3, method=methods.FakeAsReal(2, 2))
    assert g.calls == [(3 * (N + 4), False), (N, True)]
    assert counted(1)[0].calls == [(N, False), (N, True)]


@pytest.mark.parametrize("parts", [{}, {"method": methods.FakeAsReal(2, 2), "penalties": (R1,)}], ids=["plain", "far"])
def test_sharing_changes_nothing(parts: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    for at_once in (eager.AT_ONCE, 0):
        monkeypatch.setattr(eager, "AT_ONCE", at_once)
        G, D = (network.to(F64) for network in networks())
        prepared = executor(G, D, **parts)
        g = Counted(G)
        rows = run(prepared, 3, 2)
        made.append((rows, dict(D.state_dict()), dict(G.state_dict())))
        assert len(g.calls) == 3 * (2 if at_once else 3)
    assert_close(made[0], made[1], rtol=0, atol=1e-14)
