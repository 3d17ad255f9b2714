"""The modern pair: sizes by hand, first weights by their law, a block and both bases by torch's functions."""

from __future__ import annotations

import math
from functools import partial
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap
from torch.nn import functional as F
from torch.testing import assert_close

from known import F64, compiles, normal, seeded
from steadygan.config import Settings, override
from steadygan.config.data import Mnist
from steadygan.config.optimisation import Constant
from steadygan.data import Source
from steadygan.engine.objective import Sides, d_objective
from steadygan.errors import InputError
from steadygan.losses import RelativisticPairing
from steadygan.models import DISCRIMINATORS, GENERATORS
from steadygan.models.build import networks
from steadygan.models.layers import Summed
from steadygan.penalties import r1, r2
from steadygan.recipes.build import network_settings, trainer
from steadygan.types import Batch, Critic, Now, Opponent
from steadygan.types.output import as_output
from steadygan.types.taps import module_layers

WIDTHS = {"modern28": (1, 7, [16, 4, 1]), "modern32": (3, 4, [16, 16, 4, 1])}  # channels, smallest side, units
each = pytest.mark.parametrize("name", WIDTHS)


def shape(name: str) -> tuple[int, int, int]:
    side = int(name[-2:])
    return WIDTHS[name][0], side, side


def block(c: int, group: int = 16) -> int:
    """c > 2c, both with a bias behind the first two, > 2c in groups > c."""
    return 2 * c**2 + 2 * c + 2 * c * group * 9 + 2 * c + 2 * c**2


@each
@pytest.mark.parametrize(("width", "group", "blocks"), [(16, 16, 1), (8, 16, 1), (12, 8, 2)])
def test_sizes(name: str, width: int, group: int, blocks: int) -> None:
    """Parameters, and (channels, side) behind each block: D's are its features, G's their mirror image."""
    channels, base, units = WIDTHS[name]
    widths = [width * each for each in units]
    inner = sum(blocks * block(c, group) for c in widths)
    changes = sum(a * b for a, b in pairwise(widths) if a != b)
    ends = widths[0] * base**2 + widths[-1] * channels
    own = {"width": width, "group": group, "blocks": blocks}
    with torch.device("meta"):
        G, D = GENERATORS[name](64, shape(name), **own), DISCRIMINATORS[name](shape(name), **own)
        assert sum(p.numel() for p in G.parameters()) == inner + changes + ends + 64 * widths[0]
        assert sum(p.numel() for p in D.parameters()) == inner + changes + ends + widths[0]
        found: list[tuple[int, int]] = []
        ups = [part for part in G if isinstance(part, Summed)]
        for layer in (*ups, *module_layers(D, ("all",)).values()):
            layer.register_forward_hook(lambda _m, _x, out: found.append((out.shape[1], out.shape[2])))
        x = G(torch.empty(2, 64))
        assert x.shape == (2, *shape(name))
        D.features(x)
    maps = [(c, base * 2**i) for i, c in enumerate(widths) for _ in range(blocks)]
    assert found == [*maps, *reversed(maps)]


def test_the_numbers_of_the_docs() -> None:
    for name, counted in {"modern28": [424_016, 407_888], "modern32": [752_496, 736_368]}.items():
        with torch.device("meta"):
            both = GENERATORS[name](64, shape(name)), DISCRIMINATORS[name](shape(name))
        assert [sum(p.numel() for p in network.parameters()) for network in both] == counted


@each
def test_a_block_starts_as_the_identity_and_then_moves(name: str) -> None:
    """Its last convolution starts at 0 and is the only one of the block that the first step moves."""
    D = seeded(0, lambda: DISCRIMINATORS[name](shape(name), width=4, group=4, blocks=2))
    D(normal(0, 2, *shape(name))).sum().backward()
    for part in (part for part in D.modules() if isinstance(part, Summed)):
        first, grouped, last = (layer for layer in part.residual if isinstance(layer, nn.Conv2d))
        x = normal(1, 2, first.in_channels, 4, 4)
        assert torch.equal(part(x), x)
        assert not first.weight.grad.any()
        assert not grouped.weight.grad.any()
        assert last.weight.grad.abs().min() > 0


def test_first_weights_by_their_law() -> None:
    """Deviation sqrt(2 / 1.04) L^(-1/4) / sqrt(fan-in) inside of L blocks, 1 / sqrt(fan-in) elsewhere, biases 0."""
    G = seeded(0, lambda: GENERATORS["modern28"](64, (1, 28, 28), width=16, blocks=3))
    inside = {layer for part in G if isinstance(part, Summed) for layer in part.residual}
    layers = [layer for layer in G.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    seen = 0
    for layer in layers:
        if layer.bias is not None:
            assert not layer.bias.any()
        fan_in = layer.weight[0].numel()
        if layer not in inside or layer.bias is not None:
            gain = math.sqrt(2 / 1.04) * 9**-0.25 if layer in inside else 1.0
            n = layer.weight.numel()
            assert abs(layer.weight.std() * math.sqrt(fan_in) / gain - 1) < 5 / math.sqrt(2 * n)
            seen += 1
    assert seen == len(layers) - 9


def test_the_variance_of_maps_at_the_start() -> None:
    """Of G: 1 behind the basis, and behind each 1x1 convolution that of the maps before it; inside of blocks L^(-1/2).

    Leaky ReLU leaves half of 1.04 of a centred variance, which the gain makes up for.
    """
    G = seeded(0, lambda: GENERATORS["modern28"](64, (1, 28, 28), width=8))
    z = normal(1, 100, 64)
    maps = G[0](z)
    assert_close(maps.var(), torch.ones((), dtype=F64), rtol=0.1, atol=0)
    first, act, grouped, *_ = G[1].residual
    once = first(maps)
    # The first convolution sees the maps themselves, to whose variance the gain of an activation is added.
    assert_close(once.var(), 2 / 1.04 * 3**-0.5 * maps.var(), rtol=0.1, atol=0)
    inner = grouped(act(once))[:, :, 1:-1, 1:-1]  # whose neighbours are all inside
    assert_close(inner.var(), once.var() * 3**-0.5, rtol=0.1, atol=0)
    assert_close(G[2](maps).var(), maps.var(), rtol=0.1, atol=0)


class TestForward:
    """By torch's functions, from the networks' own weights."""

    def test_a_block(self) -> None:
        D = seeded(0, lambda: DISCRIMINATORS["modern28"]((1, 28, 28), width=4, group=4))
        part = D.features[4]
        first, _, grouped, _, last = part.residual
        nn.init.normal_(last.weight)
        nn.init.normal_(grouped.bias)
        x = normal(1, 2, 16, 5, 5)
        h = F.leaky_relu(F.conv2d(x, first.weight, first.bias), 0.2)
        h = torch.cat([  # each group of 4 channels by itself
            F.conv2d(some, weight, bias, padding=1)
            for some, weight, bias in zip(h.split(4, 1), grouped.weight.split(4), grouped.bias.split(4), strict=True)
        ], 1)  # fmt: skip
        assert_close(part(x), x + F.conv2d(F.leaky_relu(h, 0.2), last.weight))

    def test_bases(self) -> None:
        """G's maps times a linear form of z; D's is a convolution of each channel with a kernel of its size."""
        G = seeded(0, lambda: GENERATORS["modern32"](5, (3, 32, 32), width=2, group=4))
        D = seeded(0, lambda: DISCRIMINATORS["modern32"]((3, 32, 32), width=2, group=4))
        z, basis = normal(1, 3, 5), G[0]
        assert_close(basis(z), torch.einsum("nl,cl,cij->ncij", z, basis.linear.weight, basis.maps))
        assert_close(basis(2 * z), 2 * basis(z))
        x, basis = normal(2, 3, 32, 4, 4), D.features[-1]
        assert_close(basis(x), F.conv2d(x, basis.maps[:, None], groups=32))
        assert [layer.bias for layer in D.head if isinstance(layer, nn.Linear)] == [None]

    def test_resampling(self) -> None:
        """Bilinear: half a size is the mean of 2 x 2, twice a size has weights of 3/4 and 1/4."""
        G = seeded(0, lambda: GENERATORS["modern28"](5, (1, 28, 28), width=2, group=4))
        D = seeded(0, lambda: DISCRIMINATORS["modern28"]((1, 28, 28), width=2, group=4))
        x = normal(1, 2, 1, 6, 6)
        assert_close(D.features[2](x), F.interpolate(x, scale_factor=0.5, mode="bilinear"))
        up = G[3](x)
        assert_close(up[0, 0, 1, 1], (9 * x[0, 0, 0, 0] + 3 * x[0, 0, 0, 1] + 3 * x[0, 0, 1, 0] + x[0, 0, 1, 1]) / 16)


@pytest.mark.parametrize(("words", "said"), [
    (["generator.width=6", "generator.group=8"],
     r"modern28: expected a width whose 2-fold is a multiple of group=8, got width=6: change one of them"),
    (["discriminator.group=0"], "discriminator.group: expected a whole number of 1 or more, got 0"),
    (["constraint=spectral_norm"],
     "discriminator=modern28: expected no constraint.spectral_norm, which divides by weights that start at 0 here"),
    (["generator=modern32"], "generator: expected a network for images of side 28, got modern32, which is for 32: ch"),
])  # fmt: skip
def test_refused_before_anything_is_built(words: list[str], said: str) -> None:
    base = override(
        Settings(data=Mnist(), schedule=Constant(), horizon=10), ["generator=modern28", "discriminator=modern28"]
    )
    with pytest.raises(InputError, match=said) as caught:
        override(base, words)
    assert "\n" not in str(caught.value)


def test_refused_from_python() -> None:
    for build in (partial(GENERATORS["modern32"], 4), DISCRIMINATORS["modern32"]):
        with pytest.raises(InputError, match="modern32: expected a width whose 2-fold is a multiple of group=16"):
            build((3, 32, 32), width=4)
    with pytest.raises(InputError, match=r"modern28 expects images \(c, 28, 28\), got shape \(3, 32, 32\)"):
        GENERATORS["modern28"](4, (3, 32, 32))


@pytest.mark.parametrize("words", [
    ["loss=relativistic_pairing", "penalty=r1,r2", "method.fake_as_real.count=2", "conditional=true"],
    ["method.sample_differences.feature_layers=all", "method.sample_differences.start=0",
     "method.sample_differences.count=2", "discriminator.minibatch_discrimination=3"],
    ["method.cramer=", "discriminator.embedding=4"],
    ["method.denoising_feature_matching.weight=0.1", "discriminator.denoiser=4", "discriminator.denoiser_depth=2"],
])  # fmt: skip
def test_what_goes_with_it(words: list[str]) -> None:
    """Three iterations at tiny width: every weight is trained, also those behind a convolution that starts at 0."""
    draw = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (12, 1, 28, 28), generator=draw, dtype=torch.uint8)
    labels = torch.arange(12) % 3
    players = ("generator", "discriminator")
    own = [f"{player}{word}" for player in players for word in ("=modern28", ".width=2", ".group=2")]
    settings = override(
        Settings(data=Mnist(), schedule=Constant(), horizon=3, batch_size=4, log_every=1, latent_dim=3),
        [*own, "monitor=none", "evaluate.features=none", "evaluate.n=100", "ema=none", *words],
    )
    data = Source("tiny", (1, 28, 28), train=pixels, label=labels, image=True)
    first = networks(network_settings(settings, data), settings.seed)
    run = trainer(settings, data=data).fit(3)
    for network, start in zip((run.G, run.D), first, strict=True):
        pairs = zip(network.named_parameters(), start.parameters(), strict=True)
        assert [name for (name, p), before in pairs if torch.equal(p, before) or not p.isfinite().all()] == []


@pytest.mark.slow
@compiles
def test_a_stacked_d_step_with_both_penalties_compiles_whole() -> None:
    """Slopes of two members under vmap, differentiated twice, in one graph; the numbers are those of the eager step."""
    D = [seeded(k, lambda: DISCRIMINATORS["modern28"]((1, 28, 28), width=2, group=2)) for k in range(2)]
    for network in D:  # past the start, where every block is the identity
        for part in (part for part in network.modules() if isinstance(part, Summed)):
            nn.init.normal_(part.residual[-1].weight, std=0.1)
    opponent, now = Opponent(None, RelativisticPairing(), (r1(1.0), r2(1.0))), Now(torch.tensor(0), {}, {})

    def one(weights: dict[str, Tensor], pair: Tensor) -> Tensor:
        critic = Critic(lambda b: as_output(functional_call(D[0], weights, (b.x,)), b.size), functional=True)
        value, _ = d_objective({"D": opponent}, {"D": critic}, Batch(pair[0]), Batch(pair[1]), now, Sides(3, 3))
        return value

    weights = {key: p.detach() for key, p in stack_module_state(D)[0].items()}
    step, pairs = vmap(grad(one)), normal(7, 2, 2, 3, 1, 28, 28)
    torch.compiler.reset()
    found, wanted = torch.compile(step, fullgraph=True, backend="eager")(weights, pairs), step(weights, pairs)
    assert_close(found, wanted)
    assert all(slope.any() for slope in wanted.values())
