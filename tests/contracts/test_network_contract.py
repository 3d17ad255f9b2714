"""What holds for every registered generator and discriminator, of rows and images, with labels and without."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, grad_and_value, stack_module_state, vmap
from torch.testing import assert_close

from known import F64, normal, seeded
from steadygan.engine.objective import Sides, d_objective
from steadygan.errors import InputError
from steadygan.losses import NonSaturating
from steadygan.models import DISCRIMINATORS, GENERATORS
from steadygan.penalties import r1
from steadygan.types import Batch, Critic, Now, Opponent, critic
from steadygan.types.critic import looks_coupled, probe_coupling
from steadygan.types.labels import label_parameter
from steadygan.types.output import as_output

LATENT, CLASSES, N = 3, 4, 5
SMALL = {"width": 8, "depth": 1, "norm": "none", "group": 4}  # where a network has such; batch norm is not stacked
SHAPES = ((2,), (1, 8, 8), (3, 16, 16))
EXTRAS: dict[str, list[dict[str, Any]]] = {
    "discriminator mlp": [{"minibatch_discrimination": 3}],
    "discriminator dcgan": [{"minibatch_discrimination": 3}],
    "discriminator dual": [{"residual": True}, {"activation": "selu", "minibatch_discrimination": 3}],
}
LABEL = torch.tensor([0, 3, 1, 2, 3])


def awake(model: nn.Module, seed: int) -> nn.Module:
    """The model with drawn numbers in matrices and kernels that start at 0: no slope passes those."""
    for p in model.parameters():
        if p.ndim > 1 and not p.any():
            p.data.copy_(0.1 * normal(seed, *p.shape))
    return model


class Network(NamedTuple):
    """One way to build a registered network, and something to put in."""

    kind: str
    build: Callable[[], nn.Module]
    shape: tuple[int, ...]
    classes: int | None

    def seeded(self, seed: int = 0, dtype: torch.dtype = F64) -> nn.Module:
        return awake(seeded(seed, self.build), seed).to(dtype)

    def inputs(self, seed: int = 0, dtype: torch.dtype = F64) -> tuple[Tensor, ...]:
        x = normal(seed, N, *((LATENT,) if self.kind == "generator" else self.shape)).to(dtype)
        return (x,) if self.classes is None else (x, LABEL)


def networks() -> dict[str, Network]:
    found: dict[str, Network] = {}
    for registry in (GENERATORS, DISCRIMINATORS):
        for name, entry in registry.items():
            side = getattr(registry.settings.find(name), "side", None)
            small = SMALL if side is None else SMALL | {"width": 128 // side}
            for shape in SHAPES if side is None else ((3, side, side),):
                for classes in (None, CLASSES):
                    for extra in ({}, *EXTRAS.get(f"{registry.kind} {name}", ())):
                        known = inspect.signature(entry).parameters
                        settings = {key: value for key, value in small.items() if key in known} | extra
                        first = (LATENT, shape) if registry is GENERATORS else (shape,)
                        build = partial(entry, *first, classes, **settings)
                        try:
                            build()
                        except InputError:  # no such form
                            continue
                        title = " ".join([registry.kind, name, "x".join(map(str, shape)), *extra])
                        title += "" if classes is None else " labelled"
                        found[title] = Network(registry.kind, build, shape, classes)
    return found


NETWORKS = networks()
DISCRIMINATING = {title: network for title, network in NETWORKS.items() if network.kind == "discriminator"}
each = pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
each_discriminator = pytest.mark.parametrize("network", DISCRIMINATING.values(), ids=DISCRIMINATING)


@pytest.mark.parametrize("registry", [GENERATORS, DISCRIMINATORS], ids=["generators", "discriminators"])
def test_all_are_here(registry: Any) -> None:
    for name, entry in registry.items():
        assert any(title.startswith(f"{registry.kind} {name} ") for title in NETWORKS)
        known = list(inspect.signature(entry).parameters)
        assert known[: known.index("classes") + 1] == (["latent_dim"] if registry is GENERATORS else []) + [
            "shape",
            "classes",
        ]
    assert "generator mlp 2" in NETWORKS
    assert "discriminator dcgan 3x16x16 labelled" in NETWORKS


@each
def test_shape_dtype_and_gradients(network: Network) -> None:
    """(n, *shape) or (n,), in the dtype of the weights; gradients reach every parameter and the input."""
    for dtype in (torch.float32, F64):
        model, (x, *label) = network.seeded(dtype=dtype), network.inputs(dtype=dtype)
        out = model(x.requires_grad_(), *label)
        assert out.shape == ((N, *network.shape) if network.kind == "generator" else (N,))
        assert out.dtype == dtype
        (out * normal(9, *out.shape, dtype=dtype)).sum().backward()
        assert all(p.grad is not None and p.grad.abs().max() > 0 for p in model.parameters())
        assert x.grad is not None
        assert (x.grad.flatten(1).abs().amax(1) > 0).all()


@each
def test_a_label_is_required_or_unknown(network: Network) -> None:
    model = network.seeded()
    assert label_parameter(model) == (None if network.classes is None else "label")
    if network.classes is not None:
        assert inspect.signature(model.forward).parameters["label"].default is inspect.Parameter.empty
        x, label = network.inputs()
        assert torch.equal(model(x, label=label), model(x, label))
        assert (model(x, label) != model(x, (label + 1) % CLASSES)).flatten(1 if x.ndim == 2 else 0).any()


@each
def test_weights_follow_the_seed_and_nothing_else(network: Network) -> None:
    before = torch.get_rng_state()
    one, again, other = (network.seeded(seed).state_dict() for seed in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), before)
    assert_close(one, again, rtol=0, atol=0)
    drawn = [key for key, value in one.items() if value.unique().numel() > 1]  # the others start at 0
    assert {name.rpartition(".")[0] for name in one} == {name.rpartition(".")[0] for name in drawn}
    assert all(not torch.equal(one[key], other[key]) for key in drawn)


@each
def test_weights_travel(network: Network) -> None:
    """A state dict of one loads into another: the same function, call after call."""
    one, other, x = network.seeded(0), network.seeded(1), network.inputs()
    assert not torch.equal(one(*x), other(*x))
    other.load_state_dict(one.state_dict())
    assert torch.equal(one(*x), other(*x))


@each
def test_says_whether_it_couples_samples(network: Network) -> None:
    model, (x, *label) = network.seeded(), network.inputs()
    assert probe_coupling(lambda x: model(x, *label), x) is looks_coupled(model)


@each_discriminator
def test_is_a_critic(network: Network) -> None:
    model, (x, *label) = network.seeded(), network.inputs()
    scored = critic(model).score(Batch(x, *label))
    assert torch.equal(scored.logits, model(x, *label))
    assert scored.input_gradient().shape == (N, x[0].numel())


@each
def test_stacked_equals_lone_slopes(network: Network) -> None:
    """grad under vmap over two members equals autograd on each."""
    models = [network.seeded(k) for k in range(2)]
    (x, *label), (y, *_) = network.inputs(5), network.inputs(6)
    both = torch.stack([x, y])

    def value(weights: dict[str, Tensor], x: Tensor) -> Tensor:
        return functional_call(models[0], weights, (x, *label)).square().sum()

    weights = {key: p.detach() for key, p in stack_module_state(models)[0].items()}
    slopes = vmap(grad(value))(weights, both)
    for k, model in enumerate(models):
        model(both[k], *label).square().sum().backward()
        assert_close({key: slope[k] for key, slope in slopes.items()}, {k: p.grad for k, p in model.named_parameters()})


@each_discriminator
def test_stacked_r1_equals_lone_steps(network: Network) -> None:
    """The slopes of a D step with r1, which differentiates twice, in two members of a stack and alone."""
    opponent, sides, now = Opponent(None, NonSaturating(), (r1(10.0),)), Sides(N, N), Now(torch.tensor(0), {}, {})
    D = [network.seeded(k) for k in range(2)]
    label = None if network.classes is None else LABEL
    data = normal(7, 2, 2, N, *network.shape)

    def objective(D: Critic, pair: Tensor) -> Any:
        return d_objective({"D": opponent}, {"D": D}, Batch(pair[0], label), Batch(pair[1], label), now, sides)

    def one(weights: dict[str, Tensor], pair: Tensor) -> Any:
        def forward(batch: Batch) -> Any:
            inputs = (batch.x,) if batch.label is None else (batch.x, batch.label)
            return as_output(functional_call(D[0], weights, inputs), batch.size)

        return objective(Critic(forward, functional=True), pair)

    weights = {key: p.detach() for key, p in stack_module_state(D)[0].items()}
    slopes, (values, _) = vmap(grad_and_value(one, has_aux=True))(weights, data)
    for k in range(2):
        value, _ = objective(critic(D[k]), data[k])
        value.backward()
        assert_close(values[k], value.detach(), rtol=1e-9, atol=1e-12)
        expected = {key: torch.zeros_like(p) if p.grad is None else p.grad for key, p in D[k].named_parameters()}
        assert_close({key: slope[k] for key, slope in slopes.items()}, expected, rtol=1e-9, atol=1e-12)
        assert max(slope.abs().max() for slope in expected.values()) > 1e-6
