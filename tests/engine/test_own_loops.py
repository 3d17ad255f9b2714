"""`d_loss` and `g_loss` in anybody's own loop: under autocast, in parts of a batch, on several processes."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.testing import assert_close

import steadygan as sg
from known import normal, seeded
from steadygan.errors import InputError
from steadygan.models import mlp
from steadygan.types import Batch

X, Y = normal(0, 8, 2), normal(1, 8, 2)
losses, penalties, methods = sg.losses, sg.penalties, sg.methods


def network() -> nn.Module:
    return seeded(0, lambda: mlp(2, 1, 16, 2, "tanh")).double()


class TestTheirTerms:
    def test_loss_and_penalty_by_hand(self) -> None:
        D, x = network(), X.clone().requires_grad_()
        (slope,) = torch.autograd.grad(D(x).sum(), x)
        r1 = slope.square().sum(1).mean()
        plain = F.softplus(-D(X)).mean() + F.softplus(D(Y)).mean()
        assert_close(sg.d_loss(losses.NonSaturating(), D, X, Y), plain)
        assert_close(sg.d_loss(losses.NonSaturating(), D, X, Y, [penalties.r1(0.3)]), plain + 0.3 * r1)
        assert_close(sg.g_loss(losses.NonSaturating(), D, Y), F.softplus(-D(Y)).mean())

    def test_one_forward_of_each_side_serves_all(self) -> None:
        D, calls = network(), []
        D.register_forward_hook(lambda *_: calls.append(1))
        sg.d_loss(losses.Hinge(), D, X, Y, [penalties.r1(1.0), penalties.r2(1.0)])
        assert len(calls) == 2
        sg.d_loss(losses.Hinge(), D, X, Y, [penalties.r1(1.0, by="difference")])
        assert len(calls) == 5  # and one of the points moved

    def test_no_gradient_reaches_g_through_d(self) -> None:
        G = nn.Linear(2, 2).double()
        sg.d_loss(losses.Hinge(), network(), X, G(Y), [penalties.zero_gp(1.0)]).backward()
        assert G.weight.grad is None
        sg.g_loss(losses.Hinge(), network(), G(Y)).backward()
        assert G.weight.grad is not None

    def test_a_lazy_penalty_acts_in_its_steps(self) -> None:
        D, lazy = network(), penalties.r1(0.3, interval=4)
        plain = sg.d_loss(losses.Hinge(), D, X, Y)
        each = [sg.d_loss(losses.Hinge(), D, X, Y, [lazy], iteration=i) for i in range(5)]
        assert_close(torch.stack(each[1:4]), plain.expand(3))
        assert_close(each[0], sg.d_loss(losses.Hinge(), D, X, Y, [penalties.r1(1.2)]))
        assert_close(each[4], each[0])

    def test_sdp_from_its_start_on(self) -> None:
        D = network()
        sdp = methods.SampleDifferences(weight=0.5, start=10, count=1)
        plain, one = (sg.d_loss(losses.Hinge(), D, X, Y, method=sdp, iteration=i) for i in (9, 10))
        assert_close(plain, sg.d_loss(losses.Hinge(), D, X, Y))
        best = D(Y).flatten().argmax()
        near = torch.cdist(Y[best][None], X)[0].argmin()
        assert_close(one - plain, 0.5 * (D(Y)[best] - D(X)[near]).square()[0])

    def test_features_of_named_layers(self) -> None:
        sdp = methods.SampleDifferences(weight=0.5, start=0, count=2, feature_layers=("0",))
        D = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1)).double()
        more = sg.d_loss(losses.Hinge(), D, X, Y, method=sdp)
        without = methods.SampleDifferences(weight=0.5, start=0, count=2)
        assert bool(more > sg.d_loss(losses.Hinge(), D, X, Y, method=without))
        assert_close(sg.d_loss(losses.Hinge(), sg.types.critic(D, layers=("0",)), X, Y, method=sdp), more)
        with pytest.raises(InputError, match="expected the feature layers 0 of the critic, got none: name them there"):
            sg.d_loss(losses.Hinge(), sg.types.critic(D), X, Y, method=sdp)

    def test_dual_discriminators_are_two_calls(self) -> None:
        d1, d2 = network(), seeded(1, lambda: mlp(2, 1, 16, 2, "tanh")).double()
        both = sg.g_loss(losses.NonSaturating(), d1, Y) + sg.g_loss(losses.Minimax(), d2, Y)
        assert_close(both, F.softplus(-d1(Y)).mean() - F.softplus(d2(Y)).mean())


class TestRefusals:
    @pytest.mark.parametrize(("call", "said"), [
        (lambda D: sg.d_loss(losses.Began(), D, X, Y), "expected parts that carry no state .* got the loss of began"),
        (lambda D: sg.d_loss(losses.Hinge(), D, X, Y, method=methods.FakeAsReal(4)), "make the sides first, as in"),
        (lambda D: sg.g_loss(losses.RelativisticPairing(), D, Y), "expected real samples for relativistic_pairing"),
        (lambda D: sg.d_loss(losses.Hinge(), nn.Sequential(D, nn.Sigmoid()), X, Y), "ends in a sigmoid"),
        (lambda D: sg.d_loss(losses.Hinge(), D, X, Y, method=methods.Packing(2)), "got packing, which makes them from"),
        (lambda D: sg.g_loss(losses.Hinge(), D, Y, method=methods.Packing(2)), "got packing, which makes them"),
        (lambda D: sg.d_loss(losses.Hinge(), D, X, Y, penalties.r1(1.0)), r"as a list, got r1 alone: pass \[r1\]"),
        (lambda D: sg.d_loss(losses.Hinge(), D, X.long(), Y), "samples of floats, got torch.int64"),
        (lambda D: sg.d_loss(losses.Hinge(), D, Batch(X, given=X), Y), r"the fakes, none, got \(2,\): pass Batch"),
        (lambda D: sg.d_loss("hinge", D, X, Y), "loss must be a steadygan loss such as"),
        (lambda D: sg.d_loss(losses.Hinge(), D, X, Y, [losses.Hinge()]), "a penalty must be one such as"),
    ])  # fmt: skip
    def test_in_one_line(self, call: Any, said: str) -> None:
        with pytest.raises(InputError, match=said) as caught:
            call(network())
        assert "\n" not in str(caught.value)

    def test_a_sigmoid_may_be_meant_or_read(self) -> None:
        D = nn.Sequential(network(), nn.Sigmoid())
        read = sg.d_loss(losses.Hinge(), sg.types.critic(D, gives="probability"), X, Y)
        assert_close(read, sg.d_loss(losses.Hinge(), D[0], X, Y))
        meant = sg.d_loss(losses.Hinge(), sg.types.critic(D, gives="logit"), X, Y)
        assert_close(meant, F.relu(1 - D(X)).mean() + F.relu(1 + D(Y)).mean())


class TestSurroundings:
    def test_a_compiled_d_is_used_as_it_was_and_said(self) -> None:
        D = network()
        with pytest.warns(UserWarning, match="D is compiled: the module inside is used as it is"):
            found = sg.d_loss(losses.Hinge(), torch.compile(D), X, Y, [penalties.r1(0.3)])
        assert_close(found, sg.d_loss(losses.Hinge(), D, X, Y, [penalties.r1(0.3)]))

    def test_under_autocast(self) -> None:
        D, x, y = network().float(), X.float(), Y.float()
        with torch.autocast("cpu", torch.bfloat16):
            loss = sg.d_loss(losses.NonSaturating(), D, x, y, [penalties.r1(0.3)])
        assert loss.dtype == torch.float32
        assert_close(loss, sg.d_loss(losses.NonSaturating(), D, x, y, [penalties.r1(0.3)]), rtol=0.05, atol=0.02)
        loss.backward()

    def test_a_scaled_loss_gives_scaled_gradients(self) -> None:
        """What GradScaler does: the penalty's own gradient is of unscaled logits."""
        D = network()
        parameters = [*D.parameters()]
        loss = sg.d_loss(losses.Hinge(), D, X, Y, [penalties.r1(0.3)])
        plain = torch.autograd.grad(loss, parameters, retain_graph=True)
        scaled = torch.autograd.grad(1024.0 * loss, parameters)
        assert_close([g / 1024.0 for g in scaled], [*plain])

    def test_parts_of_a_batch_add_up(self) -> None:
        D, some = network(), [penalties.r1(0.3)]
        parts = [sg.d_loss(losses.Hinge(), D, x, y, some) for x, y in zip(X.chunk(2), Y.chunk(2), strict=True)]
        assert_close(torch.stack(parts).mean(), sg.d_loss(losses.Hinge(), D, X, Y, some))


def _process(rank: int, port: int, folder: str) -> None:
    torch.set_num_threads(1)
    address = f"tcp://127.0.0.1:{port}"
    torch.distributed.init_process_group("gloo", init_method=address, rank=rank, world_size=2)
    D = nn.parallel.DistributedDataParallel(network(), broadcast_buffers=False)
    own = slice(4 * rank, 4 * rank + 4)
    loss = sg.d_loss(losses.Hinge(), D, X[own], Y[own], [penalties.r1(0.3), penalties.r2(0.2, by="gradient")])
    loss.backward()
    if rank == 0:
        torch.save([p.grad for p in D.parameters()], Path(folder) / "gradients.pt")
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_two_processes_equal_one(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    torch.multiprocessing.spawn(_process, (port, str(tmp_path)), nprocs=2)
    D = network()
    sg.d_loss(losses.Hinge(), D, X, Y, [penalties.r1(0.3), penalties.r2(0.2)]).backward()
    found: list[Tensor] = torch.load(tmp_path / "gradients.pt")
    assert_close(found, [p.grad for p in D.parameters()], rtol=0, atol=1e-12)
    assert float(torch.stack([g.abs().max() for g in found]).max()) > 0.01
