"""Taps: outputs of named sub-modules, and hooks that are there during a forward and never after it."""

from __future__ import annotations

from typing import Any

import pytest
from torch import Tensor, nn
from torch.testing import assert_close

import steadygan as sg
from known import F64, normal, seeded
from steadygan.errors import InputError
from steadygan.types import Batch, critic
from steadygan.types.taps import Taps, module_layers, tapped

X = normal(0, 5, 2)


def network() -> nn.Module:
    return seeded(1, lambda: nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1)))


class Twice(nn.Module):
    """One layer used twice, one never, and one whose output is a pair."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(2, 2)
        self.idle = nn.Linear(2, 2)
        self.pair = Pair()
        self.last = nn.Linear(2, 1)
        self.fails = False

    def forward(self, x: Tensor) -> Tensor:
        x = self.inner(self.inner(x))
        if self.fails:
            raise ZeroDivisionError
        return self.last(self.pair(x)[0])


class Pair(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x + 1.0, x


def hooks(network: nn.Module) -> list[Any]:
    return [hook for part in network.modules() for hook in part._forward_hooks.values()]


class TestCollected:
    def test_what_the_layers_put_out(self) -> None:
        net = network()
        with Taps(net, ("1", "0")) as taps:
            net(X)
            found = taps.collected()
        hidden = X @ net[0].weight.T + net[0].bias
        assert_close(dict(found), {"1": hidden.tanh(), "0": hidden})
        assert found["1"].requires_grad

    def test_the_last_of_several_uses(self) -> None:
        net = seeded(1, Twice)
        with Taps(net, ("inner",)) as taps:
            net(X)
            assert_close(taps.collected()["inner"], net.inner(net.inner(X)))

    def test_the_last_of_several_forwards_and_handed_over_once(self) -> None:
        net = network()
        with Taps(net, ("1",)) as taps:
            net(X)
            net(2 * X)
            found = taps.collected()
            with pytest.raises(InputError):
                taps.collected()
        assert_close(found["1"], net[:2](2 * X))

    def test_nested_names_and_blocks(self) -> None:
        net = seeded(1, lambda: nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.Linear(2, 3), nn.Tanh())))
        with Taps(net, ("1", "1.0")) as taps:
            out = net(X)
            found = taps.collected()
        assert_close(found["1"], out)
        assert_close(found["1.0"].tanh(), out)

    def test_no_layers_are_no_taps(self) -> None:
        assert tapped(network(), ()) is None
        assert tapped(lambda x: x, ()) is None
        assert module_layers(lambda x: x, ()) == {}


class TestHooks:
    def test_inside_only(self) -> None:
        net = network()
        taps = Taps(net, ("0", "1"))
        assert hooks(net) == []
        with taps:
            assert len(hooks(net)) == 2
        assert hooks(net) == []
        net(X)
        with taps:  # again
            net(X)
            assert taps.collected().keys() == {"0", "1"}
        assert hooks(net) == []

    def test_a_users_own_hooks_stay(self) -> None:
        net, seen = network(), []
        net[1].register_forward_hook(lambda *_: seen.append(1))
        with Taps(net, ("1",)) as taps:
            net(X)
            taps.collected()
        net(X)
        assert len(seen) == 2
        assert len(hooks(net)) == 1

    def test_gone_after_a_forward_that_fails(self) -> None:
        net = seeded(1, Twice)
        judge = critic(net, layers=("inner",))
        net.fails = True
        with pytest.raises(ZeroDivisionError):
            judge(Batch(X))
        assert hooks(net) == []

    def test_what_a_failed_forward_left_is_forgotten(self) -> None:
        net = seeded(1, Twice)
        taps = Taps(net, ("inner",))
        net.fails = True
        with pytest.raises(ZeroDivisionError), taps:
            net(X)
        with taps, pytest.raises(InputError, match="forward to call the feature layer"):
            taps.collected()

    def test_gone_after_an_output_that_is_no_tensor(self) -> None:
        net = seeded(1, Twice)
        with pytest.raises(
            InputError, match="expected a tensor from the feature layer 'pair', got tuple: choose another"
        ):
            critic(net, layers=("pair",))(Batch(X))
        assert hooks(net) == []


class TestRefuses:
    def test_a_name_that_is_not_there(self) -> None:
        with pytest.raises(InputError) as caught:
            Taps(network(), ("1", "lost"))
        assert str(caught.value) == "unknown feature layer 'lost': known: 0, 1, 2"
        with pytest.raises(InputError, match="unknown feature layer ''"):  # the network itself is no layer
            Taps(network(), ("",))

    def test_what_is_no_module(self) -> None:
        said = (
            r"expected a torch.nn.Module to take the features a, b from, got function: pass the module, or return \(l"
        )
        with pytest.raises(InputError, match=said):
            critic(lambda x: x.sum(1), layers=("a", "b"))

    def test_a_layer_that_is_never_called(self) -> None:
        net = seeded(1, Twice)
        with pytest.raises(InputError, match="expected D's forward to call the feature layer 'idle', got no call"):
            critic(net, layers=("inner", "idle"))(Batch(X))
        assert hooks(net) == []


class TestCritic:
    def test_features_of_every_forward(self) -> None:
        """Called, scored, and as constants: the same features, with a graph where there is one."""
        net = network()
        judge = critic(net, layers=("1",))
        hidden = net[:2](X)
        for output in (judge(Batch(X)), judge.score(Batch(X)), judge.constant(Batch(X))):
            assert_close(output.features["1"].detach(), hidden.detach())
            assert_close(output.logits.detach(), net(X).squeeze(1).detach())
        assert judge.score(Batch(X)).features["1"].requires_grad
        assert not judge.constant(Batch(X)).features["1"].requires_grad
        assert hooks(net) == []

    def test_beside_features_of_the_networks_own(self) -> None:
        class Telling(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.net = network()

            def forward(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
                return self.net(x), {"x": x}

        assert critic(Telling(), layers=("net.1",))(Batch(X)).features.keys() == {"x", "net.1"}

    def test_input_gradients_are_the_same(self) -> None:
        net = network()
        expected = critic(net).score(Batch(X)).input_gradient()
        assert_close(critic(net, layers=("1",)).score(Batch(X)).input_gradient(), expected)


def test_a_module_is_left_as_it_came() -> None:
    """After a run: the same parts and attributes, no hooks, the mode that it had, weights of its own."""
    net = network().eval()
    net[1].register_forward_hook(lambda *_: None)
    parts, attributes = [*net.modules()], {name: {*vars(part)} for name, part in net.named_modules()}
    G = seeded(0, lambda: sg.models.mlp(2, 2, 4))
    method = sg.methods.SampleDifferences(start=0, count=2, feature_layers=("0", "1"))
    run = sg.Trainer(G, net, normal(0, 20, 2), latent_dim=2, method=method, batch_size=8, dtype=F64).fit(5)
    assert run.metrics[-1]["method/features/1"] > 0
    assert all(a is b for a, b in zip(net.modules(), parts, strict=True))
    assert {name: {*vars(part)} for name, part in net.named_modules()} == attributes
    assert len(hooks(net)) == 1
    assert not any(part.training for part in net.modules())
    assert all(p.is_leaf and p.grad is None for p in net.parameters())
    net(X)
