"""Exported modules of all kinds: one's own, averaged or not, normalised, and those that are no program."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from test_export import card_in, labels, latents, program
from torch import Tensor, nn

import steadygan as sg
from images import SHAPE, images, source
from known import F64
from steadygan.errors import InputError
from steadygan.models import DISCRIMINATORS, GENERATORS
from steadygan.runs.export import FILES
from steadygan.runs.run import Run
from tiny import built, networks, points, small_d, trainer


def test_live_weights_take_the_place_of_the_average(tmp_path: Path) -> None:
    run = trainer(ema=0.5).fit(3)
    for weights in ("ema", "live", "ema"):
        card = sg.export(run, tmp_path / "out", weights)
        assert card == card_in(tmp_path / "out")
        assert card["weights"] == weights
        torch.testing.assert_close(program(tmp_path / "out")(latents(9, 2, 1)), run.sample(9, 1, weights))
        (tmp_path / "out" / "notes.txt").write_text("the user's own: stays")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {*FILES, "notes.txt"}
    assert not torch.equal(run.sample(9, 1), run.sample(9, 1, "live"))
    assert sg.export(trainer(ema=None).fit(1), tmp_path / "live")["weights"] == "live"


def test_modules_of_ones_own_in_float64(tmp_path: Path) -> None:
    class Own(nn.Module):
        """Label by keyword only, weights shared, a buffer, dropout that must not act."""

        def __init__(self) -> None:
            super().__init__()
            self.a, self.table, self.drop = nn.Linear(2, 2), nn.Embedding(3, 2), nn.Dropout(0.5)
            self.b = nn.Linear(2, 2)
            self.b.weight = self.a.weight
            self.register_buffer("shift", torch.ones(2))

        def forward(self, z: Tensor, *, label: Tensor) -> Tensor:
            return self.b(self.drop(self.a(z) + self.table(label))) + self.shift

    G, D = built(0, Own, small_d)
    label = torch.arange(50) % 3
    dataset = torch.utils.data.TensorDataset(points(), label)
    run = trainer(G=G, D=D, data=dataset, dtype=F64).fit(3)
    before = [module.training for module in run.G.modules()]
    card = sg.export(run, tmp_path)
    assert [module.training for module in run.G.modules()] == before
    assert all(p.requires_grad for p in run.G_live.parameters())
    assert (card["network"], card["latent"]["dtype"]) == (None, "float64")
    assert card["load"][1].startswith("x = G(torch.randn(8, 2, dtype=torch.float64), torch.zeros(8, dtype=torch.int64)")
    z = latents(20, 2, 6, F64)
    torch.testing.assert_close(program(tmp_path)(z, labels(run, 20, 6)), run.sample(20, 6), rtol=0, atol=1e-12)
    weights = load_file(tmp_path / "generator.safetensors")
    assert torch.equal(weights["a.weight"], weights["b.weight"])
    assert weights["shift"].dtype == F64


def test_drawing_leaves_torchs_generators_as_they_were(tmp_path: Path) -> None:
    run = trainer().fit(1)
    torch.manual_seed(4)
    expected = torch.rand(3)
    torch.manual_seed(4)
    sg.export(run, tmp_path / "a")
    assert torch.equal(torch.rand(3), expected)


class Fixed(nn.Module):
    """Knows the size of its batch."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 2)

    def forward(self, z: Tensor) -> Tensor:
        return self.layer(z) if len(z) != 5 else self.layer(z) + 1.0


class Counting(Fixed):
    """Gives something else each time."""

    calls = 0

    def forward(self, z: Tensor) -> Tensor:
        Counting.calls += 1
        return self.layer(z) + float(Counting.calls)


class Curious(Fixed):
    """Looks at a value."""

    def forward(self, z: Tensor) -> Tensor:
        return self.layer(z) if z.sum() > 0 else z


def of(G: nn.Module) -> Run:
    return Run(path=None, G=G, G_live=G, D=small_d(), latent=torch.randn, settings={}, metrics=[], latent_dim=2)


@pytest.mark.parametrize(
    ("G", "told"),
    [
        (Curious(), r"a generator that torch.export can export, got one it cannot \(\w"),
        (Fixed(), r"a generator that torch.export can export, got one it cannot \(Constraints violated"),
        # The tracing of older torch sees it, that of newer does not.
        (Counting(), "to return what G returns, got numbers that differ by |can export, got one it cannot"),
    ],
    ids=["Curious", "Fixed", "Counting"],
)
def test_a_network_that_is_no_program_is_refused_and_leaves_nothing(tmp_path: Path, G: nn.Module, told: str) -> None:
    with pytest.raises(InputError) as error:
        sg.export(of(G), tmp_path / "out")
    assert re.search(told, str(error.value))
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_a_generator_that_diverged_is_exported_as_it_is(tmp_path: Path) -> None:
    G, _ = networks()
    with torch.no_grad():
        G[2].bias[0] = torch.nan
    sg.export(of(G), tmp_path / "out")
    assert program(tmp_path / "out")(torch.zeros(3, 2)).isnan().any(0).tolist() == [True, False]


def test_latents_of_ones_own_are_refused(tmp_path: Path) -> None:
    def uniform(n: int, generator: torch.Generator) -> Tensor:
        return torch.rand(n, 2, generator=generator)

    with pytest.raises(InputError, match="expected normal latents, got a function of this run's own"):
        sg.export(trainer(latent=uniform).fit(1), tmp_path / "out")
    with pytest.raises(InputError, match="weights must be 'ema' or 'live', not 'best'"):
        sg.export(trainer().fit(1), tmp_path / "out", "best")  # type: ignore[arg-type]
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(InputError, match="found a file: choose another --out"):
        sg.export(trainer().fit(1), tmp_path / "file")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_batch_norm_stands_under_the_name_of_torchs_class(tmp_path: Path) -> None:
    """What rebuilds a network from its card need not know ours."""
    run = images(norm="batch").fit(2)
    card = sg.export(run, tmp_path)
    rebuilt = nn.Sequential(*(eval(layer, vars(nn).copy()) for layer in card["layers"].values()))
    rebuilt.load_state_dict(load_file(tmp_path / "generator.safetensors"))
    torch.testing.assert_close(rebuilt.eval()(latents(6, 4, 2)), run.sample(6, 2))


def test_only_a_network_that_ends_in_tanh_is_said_to_be_bounded(tmp_path: Path) -> None:
    assert sg.export(images().fit(1), tmp_path / "tanh")["output"]["range"] == [-1.0, 1.0]
    G, D = built(0, lambda: GENERATORS["mlp"](4, SHAPE, width=4), lambda: DISCRIMINATORS["mlp"](SHAPE, width=4))
    card = sg.export(trainer(G=G, D=D, data=source(), latent_dim=4).fit(1), tmp_path / "free")
    assert card["output"]["range"] is None
    assert "clamp to [-1, 1]" in card["load"][1]
