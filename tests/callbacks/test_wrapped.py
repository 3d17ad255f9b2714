"""Networks as frameworks wrap them: seen through, called as they are, and a loop of each framework's own kind."""

from __future__ import annotations

import importlib.util
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close
from watched import BROKEN, LOSS, Gan, by_hand, monitor, normal

import steadygan as sg
from steadygan.errors import CollapseError
from steadygan.types import Batch
from steadygan.types.labels import label_parameter
from steadygan.types.networks import unwrapped
from tiny import assert_same

X, Y, LABEL = normal(1), normal(2), torch.arange(64) % 3


def needs(package: str) -> pytest.MarkDecorator:
    missing = importlib.util.find_spec(package) is None
    return pytest.mark.skipif(missing, reason=f"{package} is not installed: pip install {package}")


class Passing(nn.Module):
    """Passes everything on, holds the network twice, and minds being differentiated before its own backward pass."""

    ready = False

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.inside = network
        self._module = network

    @property
    def module(self) -> nn.Module:
        return self._module

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "_modules" and "_module" in vars(self).get("_modules", {}):
            raise AssertionError("the network's own would be replaced")
        super().__setattr__(name, value)

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        output: Tensor = self.inside(*args, **kwargs)
        if output.requires_grad:
            output.register_hook(self.backward)
        return output

    def backward(self, _: Tensor) -> None:
        if not self.ready:
            raise RuntimeError("call my backward")


class Conditional(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net, self.embedding = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1)), nn.Embedding(3, 2)

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        return self.net(x + self.embedding(label))  # type: ignore[no-any-return]


def network(*more: nn.Module) -> nn.Sequential:
    torch.manual_seed(5)
    return nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1), *more)


class TestWrappers:
    def test_what_is_seen_through(self) -> None:
        D = network()
        for wrapped in (Passing(D), nn.DataParallel(D), torch.compile(D), Passing(nn.DataParallel(D))):
            assert unwrapped(wrapped) is D
        assert unwrapped(torch.compile(Passing(D))) is D

    def test_what_is_not(self) -> None:
        class More(Passing):
            def __init__(self) -> None:
                super().__init__(network())
                self.scale = nn.Parameter(torch.ones(()))

        class Own(nn.Module):
            module = network()

            def forward(self, x: Tensor) -> Tensor:
                return 2.0 * self.module(x)

        for D in (More(), Own(), network(), abs):
            assert unwrapped(D) is D

    def test_an_input_gradient_is_no_backward_pass(self) -> None:
        D, parts = network(), [sg.penalties.r1(0.3), sg.penalties.r2(0.2)]
        wrapped = Passing(D)
        expected = sg.d_loss(sg.losses.Hinge(), D, X, Y, parts)
        found = sg.d_loss(sg.losses.Hinge(), wrapped, X, Y, parts)
        assert_close(found, expected, rtol=0, atol=0)
        with pytest.raises(RuntimeError, match="call my backward"):  # theirs, of the step itself, is asked as ever
            found.backward(retain_graph=True)
        wrapped.ready = True
        gradients = [torch.autograd.grad(each, [*D.parameters()], retain_graph=True) for each in (found, expected)]
        assert_close(*gradients, rtol=0, atol=0)

    def test_classes_layers_and_a_sigmoid(self) -> None:
        D = Conditional()
        assert label_parameter(Passing(D)) == "label"
        x, y = Batch(X, LABEL), Batch(Y, LABEL)
        assert_close(sg.d_loss(sg.losses.Hinge(), Passing(D), x, y), sg.d_loss(sg.losses.Hinge(), D, x, y))
        features = sg.types.critic(Passing(network()), layers=("1",))(Batch(X)).features
        assert_close(features["1"], network()[:2](X))
        squashed = Passing(network(nn.Sigmoid()))
        judge = sg.types.critic(squashed, gives="probability")
        assert_close(judge(Batch(X)).logits, network()(X).flatten())
        assert_close(squashed(X), torch.sigmoid(network()(X)))  # left as it was

    def test_the_monitor_looks_at_the_network_inside(self) -> None:
        """No wrapper is called at a look: it would wait for other processes."""
        records = []
        for D in (network(), Passing(network())):
            own = monitor()
            for i in range(8):
                own.observe(D=D, real=normal(2 * i), fake=normal(2 * i + 1))
            records.append(own.records)
        assert records[0] == records[1] != []


@pytest.fixture
def accelerator() -> Iterator[Callable[..., Any]]:
    accelerate = pytest.importorskip("accelerate")
    yield lambda **more: accelerate.Accelerator(cpu=True, **more)
    accelerate.state.AcceleratorState._reset_state(reset_partial_state=True)


def judged(D: nn.Module, around: Any) -> list[Tensor]:
    """A loss with a penalty, G's, a method's choice, of a D as it is given."""
    far, candidates = sg.methods.FakeAsReal(4), normal(7, 32)
    with around:
        x, y = far.apply(sg.types.critic(D), X, Y, candidates=lambda n: candidates[:n])
        loss = sg.d_loss(sg.losses.Hinge(), D, x, y, [sg.penalties.r1(0.3)])
        return [x, loss.detach(), sg.g_loss(sg.losses.Hinge(), D, Y).detach()]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
class TestPrecisions:
    """A wrapped network is judged like the bare one under autocast."""

    def same(self, made: nn.Module, made_with_sigmoid: nn.Module, precision: str) -> None:
        around = torch.autocast("cpu", torch.bfloat16) if precision == "bfloat16" else nullcontext()
        assert_close(judged(made, nullcontext()), judged(network(), around), rtol=0.02, atol=0.02)
        read = sg.types.critic(made_with_sigmoid, gives="probability")(Batch(X)).logits
        assert_close(read, network()(X).flatten(), rtol=0.05, atol=0.05)
        assert float(read.detach().min()) < 0.0

    @needs("lightning")
    def test_fabric(self, precision: str) -> None:
        from lightning.fabric import Fabric

        fabric = Fabric(
            accelerator="cpu", devices=1, precision={"float32": "32-true", "bfloat16": "bf16-mixed"}[precision]
        )
        self.same(fabric.setup(network()), fabric.setup(network(nn.Sigmoid())), precision)

    @needs("accelerate")
    def test_accelerate(self, precision: str, accelerator: Callable[..., Any]) -> None:
        made = accelerator(mixed_precision={"float32": "no", "bfloat16": "bf16"}[precision])
        self.same(made.prepare(network()), made.prepare(network(nn.Sigmoid())), precision)


def trained(loop: sg.callbacks.Loop, gan: Gan, wrapped: Any, backward: Any, steps: range) -> None:
    G, D = wrapped[:2]
    for i in steps:
        loop.step(D=D, G=G, **gan.step(i, backward, wrapped))


@needs("lightning")
def test_a_loop_of_fabric(tmp_path: Path) -> None:
    """Rolled back, logged, and resumed from Fabric's own checkpoint: the records of a plain loop."""
    from lightning.fabric import Fabric
    from lightning.fabric.loggers import CSVLogger

    def made() -> tuple[Any, Gan, Any, sg.callbacks.Loop]:
        fabric = Fabric(accelerator="cpu", devices=1, loggers=CSVLogger(tmp_path / "logs"))
        gan = Gan(BROKEN)
        (G, opt_g), (D, opt_d) = fabric.setup(gan.G, gan.opt_g), fabric.setup(gan.D, gan.opt_d)
        objects = {"G": G, "D": D, "opt_g": opt_g, "opt_d": opt_d}
        loop = sg.callbacks.Loop(monitor("rollback"), objects, log=fabric.log_dict)
        return fabric, gan, (G, D, opt_g, opt_d), loop

    fabric, gan, wrapped, loop = made()
    trained(loop, gan, wrapped, fabric.backward, range(1, 19))
    fabric.save(tmp_path / "last.ckpt", {"G": wrapped[0], "D": wrapped[1], "g": wrapped[2], "d": wrapped[3], "l": loop})
    fabric, gan, wrapped, loop = made()
    fabric.load(tmp_path / "last.ckpt", {"G": wrapped[0], "D": wrapped[1], "g": wrapped[2], "d": wrapped[3], "l": loop})
    trained(loop, gan, wrapped, fabric.backward, range(19, 31))
    plain, own = by_hand(30, BROKEN, "rollback")
    assert loop.monitor.records == own.records
    assert_same(gan.G.state_dict(), plain.G.state_dict())
    fabric.logger.save()
    assert "quality/quality" in next(tmp_path.glob("logs/**/metrics.csv")).read_text()


@needs("accelerate")
def test_a_loop_of_accelerate(tmp_path: Path, accelerator: Callable[..., Any]) -> None:
    def made() -> tuple[Any, Gan, Any, sg.callbacks.Loop]:
        own, gan = accelerator(), Gan(BROKEN)
        G, D, opt_g, opt_d = own.prepare(gan.G, gan.D, gan.opt_g, gan.opt_d)
        objects = {"G": G, "D": D, "opt_g": opt_g, "opt_d": opt_d}
        loop = sg.callbacks.Loop(monitor("rollback"), objects, log=own.log)
        own.register_for_checkpointing(loop)
        return own, gan, (G, D, opt_g, opt_d), loop

    first, gan, wrapped, loop = made()
    trained(loop, gan, wrapped, first.backward, range(1, 19))
    first.save_state(str(tmp_path))
    second, gan, wrapped, loop = made()
    second.load_state(str(tmp_path))
    trained(loop, gan, wrapped, second.backward, range(19, 31))
    plain, own = by_hand(30, BROKEN, "rollback")
    assert loop.monitor.records == own.records
    assert_same(gan.G.state_dict(), plain.G.state_dict())


@pytest.mark.slow
@pytest.mark.parametrize("package", ["lightning", "accelerate"])
def test_two_processes_with_data_of_their_own(package: str, tmp_path: Path) -> None:
    """Gradients are of both, penalties included; the first process observes, and both stop where it says."""
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed: pip install {package}")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    torch.multiprocessing.spawn(_process, (port, package, str(tmp_path)), nprocs=2)
    one, other = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    assert one["told"] == other["told"]
    assert one["told"].startswith("iteration 16: collapsed")
    assert [each["records"] for each in (one, other)] == [4, 0]
    assert_same(one["weights"], other["weights"])
    assert_close(one["weights"], _whole(), rtol=0, atol=1e-3)


def _whole() -> dict[str, Any]:
    """The weights of one process with the data of both."""
    gans = [Gan(BROKEN, data) for data in (0, 1000)]
    first = gans[0]
    opt_d = torch.optim.Adam(first.D.parameters(), lr=1e-3)
    opt_g = torch.optim.Adam(first.G.parameters(), lr=1e-3)
    for i in range(1, 17):
        if i == BROKEN:
            with torch.no_grad():
                first.G.weight.zero_()
        x, z = (torch.cat([normal(2 * i + own + gan.data) for gan in gans]) for own in (0, 1))
        opt_d.zero_grad()
        sg.d_loss(LOSS, first.D, x, first.G(z), [sg.penalties.r1(0.1)]).backward()
        opt_d.step()
        opt_g.zero_grad()
        sg.g_loss(LOSS, first.D, first.G(z)).backward()
        opt_g.step()
    return {**first.G.state_dict(), **first.D.state_dict()}


def _process(rank: int, port: int, package: str, folder: str) -> None:
    torch.set_num_threads(1)
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "GROUP_RANK": "0", "NODE_RANK": "0"}
    gan = Gan(BROKEN, 1000 * rank)
    loop, told = sg.callbacks.Loop(monitor("stop")), ""
    wrapped: tuple[Any, ...]
    if package == "lightning":
        from lightning.fabric import Fabric
        from lightning.fabric.strategies import DDPStrategy

        torch.distributed.init_process_group("gloo", rank=rank, world_size=2)
        fabric = Fabric(accelerator="cpu", devices=2, strategy=DDPStrategy(broadcast_buffers=False))
        fabric.launch()
        (G, opt_g), (D, opt_d) = fabric.setup(gan.G, gan.opt_g), fabric.setup(gan.D, gan.opt_d)
        wrapped, backward = (G, D, opt_g, opt_d), fabric.backward
    else:
        import accelerate

        kept = accelerate.DistributedDataParallelKwargs(broadcast_buffers=False)
        own = accelerate.Accelerator(cpu=True, kwargs_handlers=[kept])
        wrapped, backward = own.prepare(gan.G, gan.D, gan.opt_g, gan.opt_d), own.backward
    assert unwrapped(wrapped[1]) is gan.D is not wrapped[1]
    try:
        trained(loop, gan, wrapped, backward, range(1, 41))
    except CollapseError as error:
        told = str(error)
    weights = {**gan.G.state_dict(), **gan.D.state_dict()}
    kept = {"told": told, "records": len(loop.monitor.records), "weights": weights}
    torch.save(kept, Path(folder) / f"{rank}.pt")
    torch.distributed.destroy_process_group()
