"""What keeps runs from being stacked is found and named; what does not is left in peace; nothing is disturbed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import steadygan as sg
from images import images
from several import one
from steadygan.models import mlp
from steadygan.training.obstacles import obstacle
from tiny import assert_same, built, leaves, small_d, small_g, trainer

Networks = Callable[[int], dict[str, nn.Module]]


def found(settings: Callable[[int], dict[str, Any]], seeds: int = 2) -> str | None:
    """Why these trainers cannot be stacked."""
    return obstacle([one(seed, **settings(seed)).setup for seed in range(seeds)])


def both(*layers: Callable[[], nn.Module]) -> Callable[[int], dict[str, Any]]:
    """G with further layers in the middle, and a discriminator without."""

    def settings(seed: int) -> dict[str, Any]:
        G, D = built(seed, lambda: nn.Sequential(nn.Linear(2, 6), *(b() for b in layers), nn.Linear(6, 2)), small_d)
        return {"G": G, "D": D}

    return settings


class Plain(nn.Module):
    """A discriminator whose kinds below do something beside."""

    def __init__(self) -> None:
        super().__init__()
        self.network = small_d()

    def forward(self, x: Tensor) -> Tensor:
        self.beside(x)
        return self.network(x)

    def beside(self, x: Tensor) -> None:
        pass


class Counter(Plain):
    calls = 0

    def beside(self, x: Tensor) -> None:
        self.calls += 1


class Keeper(Plain):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[float] = []

    def beside(self, x: Tensor) -> None:
        self.seen.append(1.0)


class Remembering(Plain):
    """A tensor that is no buffer, changed in place."""

    def __init__(self) -> None:
        super().__init__()
        self.last = torch.zeros(())

    def beside(self, x: Tensor) -> None:
        self.last += 1.0


class Replacing(Plain):
    """A tensor that is no buffer, replaced."""

    def __init__(self) -> None:
        super().__init__()
        self.last: Tensor | None = None

    def beside(self, x: Tensor) -> None:
        self.last = x.detach().mean()


class Moving(Plain):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def beside(self, x: Tensor) -> None:
        self.steps += 1


class Holding(nn.Module):
    """A discriminator that keeps its numbers in a plain tensor, which no `state_dict` knows."""

    def __init__(self) -> None:
        super().__init__()
        self.network, self.scale = small_d(), torch.rand(2) + 0.5

    def forward(self, x: Tensor) -> Tensor:
        return self.network(x * self.scale)


class OnTheHost(Plain):
    def forward(self, x: Tensor) -> Tensor:
        return self.network(x) * self.network[0].weight.abs().max().item()


class Scaled(Plain):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return self.factor * self.network(x)


def normed() -> nn.Module:
    return nn.Sequential(nn.utils.parametrizations.spectral_norm(nn.Linear(2, 5)), nn.Tanh(), nn.Linear(5, 1))


def discriminator(kind: Callable[..., nn.Module], *arguments: Any) -> Callable[[int], dict[str, Any]]:
    return lambda seed: {"D": built(seed, lambda: kind(*(a(seed) if callable(a) else a for a in arguments)))[0]}


FORWARDS: dict[str, tuple[Callable[[int], dict[str, Any]], str]] = {
    "dropout": (both(nn.Dropout), "G draws random numbers in its forward"),
    "batch norm": (both(lambda: nn.BatchNorm1d(6)), "G changes its buffer 1.running_mean in its forward"),
    "a counter": (discriminator(Counter), "D holds Python state: its forward changes the attribute 'calls'"),
    "a list": (discriminator(Keeper), "D holds Python state: its forward changes the attribute 'seen'"),
    "a tensor changed": (discriminator(Remembering), "D holds Python state: its forward changes the attribute 'last'"),
    "a tensor replaced": (discriminator(Replacing), "D holds Python state: its forward changes the attribute 'last'"),
    "a part that counts": (
        lambda seed: {"D": nn.Sequential(built(seed, Counter)[0], nn.Identity())},
        "D holds Python state: its forward changes the attribute 'calls' of 0",
    ),
    "a buffer": (discriminator(Moving), "D changes its buffer steps in its forward"),
    "numbers out of sight": (discriminator(Holding), "D computes something else when it is stacked"),
    "spectral norm": (discriminator(normed), "D changes its buffer 0.parametrizations.weight.0._"),
    "a float that differs": (
        discriminator(Scaled, lambda seed: 1.0 + seed),
        "D differs between seeds in the attribute 'factor'",
    ),
    "a layer's setting": (
        lambda seed: {"D": nn.Sequential(nn.Linear(2, 4), nn.LeakyReLU(0.1 * (1 + seed)), nn.Linear(4, 1))},
        "D differs between seeds in the attribute 'negative_slope' of 1",
    ),
    "another layer": (
        lambda seed: {"D": nn.Sequential(nn.Linear(2, 4), [nn.ReLU, nn.Tanh][seed](), nn.Linear(4, 1))},
        "D is not built alike for every seed",
    ),
    "another width": (
        lambda seed: {"D": mlp(2, 1, 4 + seed, 1)},
        "D differs between seeds in the attribute 'out_features' of 0",
    ),
    "the host": (discriminator(OnTheHost), "D cannot be stacked (vmap: It looks like you're"),
    "a latent from nowhere": (
        lambda _: {"latent": lambda n, _: torch.randn(n, 2), "latent_dim": None},
        "latent draws from torch's global generator",
    ),
}


@pytest.mark.parametrize("name", FORWARDS)
def test_what_stands_in_the_way_is_named(name: str) -> None:
    settings, told = FORWARDS[name]
    reason = found(settings)
    assert reason is not None
    assert told in reason
    assert "\n" not in reason


def test_a_later_seed_is_looked_at_as_the_first_is() -> None:
    """Two of three are alike and sound."""
    assert found(discriminator(Scaled, lambda seed: 2.0 if seed == 2 else 1.0), 3) is not None
    assert found(lambda seed: {"D": built(seed, Moving if seed == 2 else Plain)[0]}, 3) is not None
    assert found(discriminator(Scaled, 2.0), 3) is None


def test_convolutions_on_a_cpu() -> None:
    setups = [images(seed=seed).setup for seed in range(2)]
    assert obstacle(setups) == "convolutional networks train faster one after the other on a CPU"


@pytest.mark.parametrize("name", ["dropout", "batch norm", "a counter", "the host", "a latent from nowhere"])
def test_alone_the_same_stands_in_the_way_of_compiling(name: str) -> None:
    setup = one(0, **FORWARDS[name][0](0)).setup
    assert FORWARDS[name][1].split(" (")[0] in (obstacle([setup], alone=True) or "")


def test_alone_convolutions_and_numbers_of_ones_own_do_not() -> None:
    assert obstacle([images().setup], alone=True) is None
    assert found(discriminator(Scaled, 2.0), 1) is None


def test_what_takes_no_part_in_the_output_is_named() -> None:
    """An optimiser alone leaves it as it is; in a stack it would decay."""

    def settings(seed: int) -> dict[str, Any]:
        D = built(seed, lambda: nn.ModuleList([small_d(), nn.Linear(2, 1)]))[0]
        D.forward = D[0].forward
        return {"D": D}

    assert found(settings) == "the parameter 1.weight of D takes no part in its output"


def test_what_two_networks_share_is_named() -> None:
    def settings(seed: int) -> dict[str, Any]:
        G, D = built(seed, small_g, small_d)
        D[0].bias = G[0].bias
        return {"G": G, "D": D}

    assert found(settings) == "G and D share parameters"


FINE: dict[str, Callable[[int], dict[str, Any]]] = {
    "mlp": lambda seed: dict(zip("GD", built(seed, lambda: mlp(2, 2), lambda: mlp(2, 1)), strict=True)),
    "every activation": both(nn.ReLU, nn.ELU, nn.SiLU, nn.GELU, nn.Softplus),
    "layer norm": both(lambda: nn.LayerNorm(6), nn.Tanh),
    "batch norm without statistics": both(lambda: nn.BatchNorm1d(6, track_running_stats=False), nn.Tanh),
    "minibatch discrimination": discriminator(
        lambda: nn.Sequential(sg.models.MinibatchDiscrimination(2, 3, 2), nn.Linear(5, 1))
    ),
    "buffers of their own": lambda seed: {"D": with_buffer(seed)},
    "given in eval mode": lambda seed: {"D": built(seed, small_d)[0].eval()},
    "partly in eval mode": lambda seed: {"D": partly(seed)},
    "packing": lambda seed: {"D": built(seed, lambda: small_d(4))[0], "method": sg.methods.Packing(2)},
    "a latent of its own": lambda _: {"latent": lambda n, g: torch.rand(n, 2, generator=g), "latent_dim": None},
    "frozen": lambda seed: {"G": frozen(seed)},
}


def with_buffer(seed: int) -> nn.Module:
    network = built(seed, small_d)[0]
    network[0].register_buffer("scale", torch.full((), float(seed)))
    return network


def partly(seed: int) -> nn.Module:
    network = built(seed, lambda: nn.Sequential(small_d(), nn.Identity()))[0]
    network[0][1].eval()
    return network


def frozen(seed: int) -> nn.Module:
    network = built(seed, small_g)[0]
    network[0].requires_grad_(False)
    return network


@pytest.mark.parametrize("name", FINE)
def test_nothing_is_found_where_nothing_stands_in_the_way(name: str) -> None:
    assert found(FINE[name]) is None


def test_probing_leaves_everything_as_it_was() -> None:
    """Weights, buffers, modes, flags, gradients and torch's random numbers, whatever was found."""

    def network(seed: int) -> nn.Module:
        layers = (nn.Linear(2, 6), nn.BatchNorm1d(6), nn.Dropout(0.5), nn.ReLU(), nn.Linear(6, 2))
        made = nn.Sequential(*layers)
        made[2].eval()
        made[0].bias.requires_grad_(False)
        return made

    for g, d in (
        (network, lambda _: small_d()),
        (lambda _: small_g(), lambda seed: nn.Sequential(network(seed), small_d())),
    ):
        setups = [trainer(G=g(seed), D=d(seed), seed=seed).setup for seed in range(2)]
        modules = [module for setup in setups for module in setup.networks]

        def everything(modules: list[nn.Module] = modules) -> list[Any]:
            return [
                [{key: value.clone() for key, value in module.state_dict().items()} for module in modules],
                [[part.training for part in module.modules()] for module in modules],
                [[(p.requires_grad, p.grad) for p in module.parameters()] for module in modules],
                torch.get_rng_state(),
                torch.is_grad_enabled(),
            ]

        before = everything()
        assert obstacle(setups) is not None
        assert_same(everything(), before)
        assert len([*leaves(before)]) > 20
