"""Ends of a discriminator: compared samples, an embedding for the logit, a denoiser beside it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap
from torch.testing import assert_close

from known import normal, seeded
from steadygan.errors import InputError
from steadygan.models import (
    BatchNorm,
    Denoised,
    Embedded,
    MinibatchDiscrimination,
    dcgan_discriminator,
    denoiser,
    mlp_discriminator,
)
from steadygan.types import Batch, critic
from steadygan.types.critic import auxiliaries_of

KINDS: dict[
    str, tuple[Any, tuple[int, ...], dict[str, Any], int]
] = {  # build, shape, settings, features before the end
    "mlp rows": (mlp_discriminator, (2,), {"width": 8, "depth": 2}, 8),
    "mlp images": (mlp_discriminator, (1, 4, 4), {"width": 8, "depth": 1}, 8),
    "mlp without hidden layers": (mlp_discriminator, (1, 4, 4), {"depth": 0}, 16),
    "dcgan": (dcgan_discriminator, (3, 16, 16), {"width": 2}, 64),
}
each = pytest.mark.parametrize(("build", "shape", "settings", "count"), KINDS.values(), ids=KINDS)


def parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


class TestWithoutThem:
    """What there was before them has the same names and the same first weights, which saved runs need."""

    def test_mlp(self) -> None:
        old = lambda: nn.Sequential(nn.Flatten(), nn.Linear(9, 5), nn.ReLU(), nn.Linear(5, 1), nn.Flatten(0))  # noqa: E731
        one, other = seeded(4, lambda: mlp_discriminator((1, 3, 3), width=5, depth=1)), seeded(4, old)
        assert_close(one.state_dict(), other.state_dict(), rtol=0, atol=0)
        assert list(one.state_dict()) == ["1.weight", "1.bias", "3.weight", "3.bias"]

    def test_dcgan(self) -> None:
        def old() -> nn.Module:
            layers = nn.ModuleDict()
            layers["features"] = nn.Sequential(
                nn.Conv2d(1, 2, 4), nn.ReLU(), nn.Conv2d(2, 4, 4, bias=False), BatchNorm(4)
            )
            layers["head"] = nn.Sequential(nn.Flatten(), MinibatchDiscrimination(16, 3), nn.Linear(19, 1))
            return layers

        one = seeded(4, lambda: dcgan_discriminator((1, 8, 8), width=2, norm="batch", minibatch_discrimination=3))
        assert_close(one.state_dict(), seeded(4, old).state_dict(), rtol=0, atol=0)


class TestMinibatchDiscrimination:
    @pytest.mark.parametrize("output", [None, "tanh"])
    @pytest.mark.parametrize("depth", [0, 2])
    def test_of_an_mlp_stands_before_its_last_layer(self, depth: int, output: str | None) -> None:
        settings = {"width": 8, "depth": depth, "output": output}
        D = seeded(0, lambda: mlp_discriminator((1, 2, 2), minibatch_discrimination=3, **settings))
        at = next(i for i, part in enumerate(D) if isinstance(part, MinibatchDiscrimination))
        assert (D[at].kernels, D[at].dims) == (3, 5)
        x = normal(1, 6, 1, 2, 2)
        h = D[:at](x)
        logits = D[at](h) @ D[at + 1].weight[0] + D[at + 1].bias
        assert h.shape == (6, 8 if depth else 4)
        assert len(D) == at + 3 + (output is not None)
        assert_close(D(x), logits if output is None else logits.tanh())
        plain = parameters(mlp_discriminator((1, 2, 2), **settings))
        assert parameters(D) == plain + h.shape[1] * 3 * 5 + 3


class TestEmbedded:
    @each
    def test_logit_is_minus_the_norm(
        self, build: Any, shape: tuple[int, ...], settings: dict[str, Any], count: int
    ) -> None:
        D, x = seeded(0, lambda: build(shape, embedding=5, **settings)), normal(1, 6, *shape)
        logits, features = D(x)
        h = features["h"].detach().numpy()
        assert h.shape == (6, 5)
        assert_close(logits.detach().numpy(), -np.sqrt((h**2).sum(1)))
        assert parameters(D) == parameters(build(shape, **settings)) + 4 * (count + 1)

    @each
    def test_embeds_what_the_last_layer_makes(
        self, build: Any, shape: tuple[int, ...], settings: dict[str, Any], count: int
    ) -> None:
        """One number, with the weights of the plain D: its logit."""
        D, plain = seeded(0, lambda: build(shape, embedding=1, **settings)), seeded(0, lambda: build(shape, **settings))
        x = normal(1, 6, *shape)
        assert_close(D(x)[1]["h"], plain(x).unsqueeze(1), rtol=0, atol=0)

    def test_is_a_critic_with_features(self) -> None:
        D, x = seeded(0, lambda: mlp_discriminator((2,), embedding=5, width=8)), normal(1, 6, 2)
        output = critic(D)(Batch(x))
        assert_close(output.logits, -output.features["h"].norm(dim=1))

    def test_is_flat_at_0(self) -> None:
        """At h = 0 the first two derivatives are 0, not NaN; elsewhere the slope is -h / ||h||."""
        D = Embedded(nn.Identity())
        x = torch.tensor([[0.0, 0.0], [3.0, -4.0]], dtype=torch.float64, requires_grad=True)
        logits, _ = D(x)
        assert_close(logits, torch.tensor([0.0, -5.0]).double())
        (slope,) = torch.autograd.grad(logits.sum(), x, create_graph=True)
        assert_close(slope.detach(), torch.tensor([[0.0, 0.0], [-0.6, 0.8]]).double())
        (second,) = torch.autograd.grad(slope.square().sum() + slope[:, 0].sum(), x)
        assert_close(second, torch.tensor([[0.0, 0.0], [-0.128, -0.096]]).double())  # -d/dx (x0 / r), and |slope| = 1

    def test_nan_stays_visible(self) -> None:
        logits, _ = Embedded(nn.Identity())(torch.tensor([[float("nan"), 0.0], [1.0, 0.0]]))
        assert logits.isnan().tolist() == [True, False]

    def test_half_precision_ends_before_the_norm(self) -> None:
        D = seeded(0, lambda: mlp_discriminator((2,), embedding=5, width=8)).float()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits, features = D(normal(1, 6, 2, dtype=torch.float32))
        assert (logits.dtype, features["h"].dtype) == (torch.float32, torch.float32)
        assert_close(logits, -features["h"].square().sum(1).sqrt())

    def test_compares_samples_too(self) -> None:
        D = seeded(0, lambda: mlp_discriminator((2,), embedding=5, minibatch_discrimination=3, width=8, depth=1))
        x = normal(1, 4, 2)
        assert not torch.allclose(D(x)[0][:1], D(x[:1])[0])


class TestDenoised:
    @each
    @pytest.mark.parametrize("kernels", [0, 3])
    def test_is_the_plain_one_with_its_features(
        self, build: Any, shape: tuple[int, ...], settings: dict[str, Any], count: int, kernels: int
    ) -> None:
        """The same logits from the same seed; h is what the last layers see."""
        settings = settings | {"minibatch_discrimination": kernels}
        D = seeded(0, lambda: build(shape, denoiser=6, denoiser_depth=3, **settings))
        plain, x = seeded(0, lambda: build(shape, **settings)), normal(1, 4, *shape)
        logits, features = D(x)
        assert_close(logits, plain(x), rtol=0, atol=0)
        assert features["h"].shape == (4, count)
        assert_close(features["h"], D.body(x).flatten(1), rtol=0, atol=0)
        assert_close(D.head(features["h"]), logits, rtol=0, atol=0)
        assert D.features == count
        assert parameters(D) == parameters(plain) + parameters(D.denoiser)

    @each
    def test_the_denoiser_is_beside_it(
        self, build: Any, shape: tuple[int, ...], settings: dict[str, Any], count: int
    ) -> None:
        D, x = seeded(0, lambda: build(shape, denoiser=6, **settings)), normal(1, 4, *shape)
        assert isinstance(D, Denoised)
        assert D.auxiliaries == ("denoiser",)
        assert auxiliaries_of(D) == {"denoiser": D.denoiser}
        before = D(x)[0]
        for p in D.denoiser.parameters():
            p.data.fill_(float("nan"))
        assert torch.equal(D(x)[0], before)
        before.sum().backward()
        assert all(p.grad is None for p in D.denoiser.parameters())

    def test_norm_is_that_of_the_kind(self) -> None:
        def normed(D: nn.Module) -> int:
            return sum(isinstance(m, BatchNorm) for m in D.denoiser)

        assert normed(mlp_discriminator((2,), denoiser=4)) == 0
        assert normed(mlp_discriminator((2,), denoiser=4, denoiser_norm="batch")) == 9
        assert normed(dcgan_discriminator((1, 8, 8), width=2, denoiser=4)) == 9
        assert normed(dcgan_discriminator((1, 8, 8), width=2, denoiser=4, denoiser_norm="none")) == 0

    def test_the_critic_offers_it(self) -> None:
        D, x = seeded(0, lambda: mlp_discriminator((2,), denoiser=6, denoiser_depth=2, width=8)), normal(1, 4, 2)
        seen = critic(D)
        h = seen(Batch(x)).features["h"]
        assert_close(seen.auxiliaries["denoiser"](h, True), D.denoiser(h), rtol=0, atol=0)


class TestDenoiser:
    def by_numpy(self, net: nn.Module, h: np.ndarray, normed: bool) -> np.ndarray:
        linear = [m for m in net if isinstance(m, nn.Linear)]
        norms = [m for m in net if isinstance(m, BatchNorm)]
        for i, layer in enumerate(linear):
            h = h @ layer.weight.detach().numpy().T
            h = h if layer.bias is None else h + layer.bias.detach().numpy()
            if i < len(linear) - 1:
                if normed:
                    h = (h - h.mean(0)) / np.sqrt(h.var(0) + 1e-5)
                    h = h * norms[i].weight.detach().numpy() + norms[i].bias.detach().numpy()
                h = np.where(h > 0, h, 0.2 * h)
        return h

    @pytest.mark.parametrize("norm", ["none", "batch"])
    @pytest.mark.parametrize("depth", [1, 2, 4])
    def test_by_numpy(self, depth: int, norm: str) -> None:
        net = seeded(0, lambda: denoiser(3, 6, depth, norm=norm))
        for i, p in enumerate(net.parameters()):
            p.data.copy_(normal(20 + i, *p.shape))
        h = normal(1, 5, 3)
        assert_close(net(h).detach().numpy(), self.by_numpy(net, h.numpy(), norm == "batch"))

    def test_the_paper_s(self) -> None:
        """Ten linear layers of 2048, batch norm and leaky ReLU after all but the last."""
        with torch.device("meta"):
            net = denoiser(2048, 2048)
        assert [type(m) for m in net] == [*[nn.Linear, BatchNorm, nn.LeakyReLU] * 9, nn.Linear]
        assert all(m.negative_slope == 0.2 for m in net if isinstance(m, nn.LeakyReLU))
        assert parameters(net) == 10 * 2048**2 + 9 * 2 * 2048 + 2048

    @pytest.mark.parametrize(("arguments", "said"), [
        ((4, 0), "denoiser must be a whole number of 1 or more, not 0"),
        ((4, 4, 0), "denoiser_depth: expected a whole number of 1 or more, got 0"),
        ((4, 4, 2, "bach"), "denoiser_norm: expected one of none, batch, got 'bach': did you mean 'batch'"),
    ])  # fmt: skip
    def test_refuses(self, arguments: tuple[Any, ...], said: str) -> None:
        with pytest.raises(InputError, match=said):
            denoiser(*arguments)


@pytest.mark.parametrize(
    "settings", [{"embedding": 3}, {"denoiser": 4, "denoiser_depth": 2}], ids=["embedded", "denoised"]
)
class TestFunctional:
    def test_stacked_equals_lone_slopes(self, settings: dict[str, int]) -> None:
        """Of the logits' input gradients, with all weights."""
        models = [seeded(k, lambda: mlp_discriminator((2,), width=6, activation="tanh", **settings)) for k in range(2)]
        x = normal(5, 2, 4, 2)

        def energy(weights: dict[str, Tensor], x: Tensor) -> Tensor:
            slope = grad(lambda x: functional_call(models[0], weights, (x,))[0].sum())(x)
            return slope.square().sum() + functional_call(models[0], weights, (x,))[1]["h"].sum()

        weights = {key: p.detach() for key, p in stack_module_state(models)[0].items()}
        slopes = vmap(grad(energy))(weights, x)
        for k, model in enumerate(models):
            own = dict(model.named_parameters())
            lone = torch.autograd.grad(energy(own, x[k]), [*own.values()], allow_unused=True, materialize_grads=True)
            assert_close({key: slope[k] for key, slope in slopes.items()}, dict(zip(own, lone, strict=True)))

    def test_compiles_whole(self, settings: dict[str, int]) -> None:
        torch.compiler.reset()
        D, x = seeded(0, lambda: mlp_discriminator((2,), width=6, **settings)), normal(5, 4, 2)
        assert_close(torch.compile(D, fullgraph=True, backend="eager")(x), D(x))


@pytest.mark.parametrize("build", [
    lambda **settings: mlp_discriminator((2,), **settings),
    lambda **settings: dcgan_discriminator((1, 8, 8), **settings),
], ids=["mlp", "dcgan"])  # fmt: skip
@pytest.mark.parametrize(("settings", "said"), [
    ({"embedding": 3, "denoiser": 4}, r"expected an embedding or a denoiser, got embedding=3 and denoiser=4: set one"),
    ({"embedding": -1}, "embedding: expected a whole number of 0 or more, got -1"),
    ({"denoiser": -1}, "denoiser: expected a whole number of 0 or more, got -1"),
    ({"minibatch_discrimination": -1}, "minibatch_discrimination: expected a whole number of 0 or more, got -1"),
    ({"denoiser": 4, "denoiser_depth": 0}, "denoiser_depth: expected a whole number of 1 or more, got 0"),
])  # fmt: skip
def test_refusals(build: Any, settings: dict[str, int], said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        build(**settings)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("setting", ["embedding", "denoiser"])
def test_classes_are_refused(setting: str) -> None:
    said = f"dcgan: expected no classes with {setting}=3, got classes=4: set {setting}=0, or leave out labels"
    with pytest.raises(InputError, match=said):
        dcgan_discriminator((1, 8, 8), 4, **{setting: 3})
    with pytest.raises(InputError, match="mlp has no conditional form, but got classes=4"):
        mlp_discriminator((2,), 4, **{setting: 3})
