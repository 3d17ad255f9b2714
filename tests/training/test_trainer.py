"""The trainer with the user's own modules and data: what fits trains, what does not is told in one line."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset, TensorDataset

import steadygan as sg
from steadygan.errors import InputError
from steadygan.runs.run import Run
from steadygan.types import Opponent, Output
from tiny import N, assert_same, built, differs, networks, points, small_d, small_g, state, trainer, weights

losses, penalties, methods = sg.losses, sg.penalties, sg.methods


class Wrapped(nn.Module):
    """A network with what it returns changed."""

    def __init__(self, network: nn.Module, change: Any) -> None:
        super().__init__()
        self.network, self.change = network, change

    def forward(self, x: Tensor) -> Any:
        return self.change(self.network(x))


def after(**settings: Any) -> tuple[Any, list[dict[str, Any]]]:
    made = trainer(**settings)
    run = made.fit(20)
    return state(made), run.metrics


def refused(told: str, **settings: Any) -> None:
    with pytest.raises(InputError) as error:
        trainer(**settings).fit(20)
    assert told in str(error.value), str(error.value)
    assert "\n" not in str(error.value)


class TestDiscriminator:
    @pytest.mark.parametrize(
        "change",
        [
            lambda logits: logits.squeeze(1),
            lambda logits: (logits, {"hidden": logits}),
            lambda logits: Output(logits.squeeze(1), {}),
        ],
    )
    def test_may_return_its_logits_in_several_ways(self, change):
        G, D = networks()
        found = after(G=G, D=Wrapped(D, change), penalties=[penalties.r1(1.0)])[1]
        assert found == after(penalties=[penalties.r1(1.0)])[1]

    @pytest.mark.parametrize(
        ("change", "came"),
        [
            (lambda logits: logits.repeat(2, 1), f"({2 * N}, 1)"),
            (lambda logits: logits.mean(), "()"),
            (lambda logits: logits.mean(0), "(1,)"),
            (lambda logits: logits[:, :0], f"({N}, 0)"),
            (lambda logits: logits[1:, 0], f"({N - 1},)"),
        ],
    )
    def test_of_a_wrong_shape(self, change, came, tmp_path):
        told = f"must return logits of each sample, shape ({N},), ({N}, 1) or a map ({N}, ...), but returned {came}"
        refused(told, G=small_g(), D=Wrapped(small_d(), change), out=tmp_path / "run")
        trainer(tmp_path / "run").fit(2)  # mended, it starts in the same folder

    def test_of_no_tensor(self):
        refused("must return a tensor of logits, but returned list", G=small_g(), D=Wrapped(small_d(), Tensor.tolist))

    @pytest.mark.parametrize(
        ("D", "told"),
        [
            (lambda x: x[:, 0], "D must be a torch.nn.Module, not function"),
            (None, "D must be a torch.nn.Module, not NoneType"),
            (nn.ReLU(), "D has no parameter to train: unfreeze one, or pass another module"),
            (small_d().requires_grad_(False), "D has no parameter to train"),
            ({}, "D must map one or more names other than 'G' to opponents, not []"),
            ({"G": Opponent(small_d(), losses.Hinge())}, "names other than 'G'"),
            ({"d": small_d()}, "D['d'] must be a types.Opponent, not Sequential"),
            ({"d": Opponent(len, losses.Hinge())}, "D['d'].critic must be a torch.nn.Module, not builtin"),
        ],
    )
    def test_of_no_use(self, D, told):
        refused(told, G=small_g(), D=D)

    @pytest.mark.parametrize("told", [False, True])
    def test_labels_reach_it_when_fakes_have_them_too(self, told):
        """Labels on the reals alone would tell them from the fakes: a D that can do without gets none of them."""
        seen = []

        class Labelled(nn.Module):
            def __init__(self, network: nn.Module) -> None:
                super().__init__()
                self.network = network

            def forward(self, x: Tensor, label: Tensor | None = None) -> Tensor:
                seen.append(label)
                return self.network(x)

        G, D = networks()
        data = TensorDataset(points(), torch.arange(50) % 3)
        G = Labelled(G) if told else G
        run = trainer(G=G, D=Labelled(D), data=data, method=methods.FakeAsReal(3, factor=2)).fit(3)
        assert run.conditional == told
        assert len(seen) > 10
        if told:
            assert all(label is not None and label.dtype == torch.int64 and label.ndim == 1 for label in seen)
        else:
            assert all(label is None for label in seen)


class TestGenerator:
    def test_of_a_wrong_shape(self):
        told = "must return samples of shape (2,), like the data, but returned (3,): change its last layer"
        refused(told, G=small_g(2, 3), D=small_d())

    def test_of_a_wrong_count(self):
        told = f"the generator must return {N} samples when asked for {N}, but returned shape ({N - 1}, 2)"
        refused(told, G=Wrapped(small_g(), lambda x: x[1:]), D=small_d())

    def test_of_no_tensor(self):
        told = f"the generator must return a tensor of {N} samples, not tuple"
        refused(told, G=Wrapped(small_g(), lambda x: (x, x)), D=small_d())

    def test_of_no_use(self):
        refused("G must be a torch.nn.Module, not str", G="mlp", D=small_d())
        refused("G has no parameter to train", G=nn.Identity(), D=small_d())


class TestLatent:
    def test_of_ones_own(self):
        asked = []

        def latent(n: int, generator: torch.Generator) -> Tensor:
            asked.append(n)
            return 2.0 * torch.rand(n, 2, generator=generator, device=generator.device) - 1.0

        made = trainer(latent=latent, method=methods.FakeAsReal(1, factor=4))
        run = made.fit(20)
        assert {100 * (N + 4), 100 * N} <= set(asked)
        generator = torch.Generator().manual_seed(3)
        z = latent(100 * (N + 4), generator)
        assert torch.equal(made.session.members[0].draws.block(0)[0].d[0].z, z[: N + 4])
        assert torch.equal(run.sample(64, 1)[:8], run.sample(8, 1))

    @pytest.mark.parametrize(
        ("settings", "told"),
        [
            ({"latent_dim": 2, "latent": torch.rand}, "pass either latent_dim"),
            ({"latent_dim": None}, "pass either latent_dim (normal z of that size) or latent (a function"),
            ({"latent_dim": 0}, "latent_dim must be a whole number of 1 or more, not 0"),
            ({"latent": lambda n, _: torch.rand(n + 1, 2)}, f"latent must return {N} latents when asked for {N}, but"),
            ({"latent": lambda *_: None}, f"latent must return a tensor of {N} latents, not NoneType"),
        ],
    )
    def test_that_does_not_fit(self, settings, told):
        refused(told, **settings)


class Items(Dataset):
    """A Dataset of (x, label)."""

    def __len__(self) -> int:
        return 50

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return points()[index], index % 3


@pytest.mark.parametrize(
    "data",
    [points().numpy(), points().double(), TensorDataset(points()), Items(), sg.data.from_user(points())],
    ids=["array", "float64", "dataset", "dataset with labels", "source"],
)
def test_data_in_any_form_is_the_same_data(data):
    found, expected = after(data=data), after()
    assert_same(found[0], expected[0])
    assert found[1] == expected[1]


def test_one_method_alone():
    assert_same(after(method=methods.FakeAsReal(2))[0], after(method=[methods.FakeAsReal(2)])[0])


def test_a_dual_pair_trains():
    """Two opponents, one of which rewards G with the other sign of the minimax game."""
    G, first, second = built(4, small_g, small_d, small_d)
    before = weights(G, first, second)
    opponents = {
        "d1": Opponent(first, losses.NonSaturating(), (penalties.r1(0.5),), methods.FakeAsReal(2)),
        "d2": Opponent(second, losses.Minimax(), weight=0.5),
    }
    run = trainer(G=G, D=opponents).fit(40)
    assert dict(run.D) == {"d1": first, "d2": second}
    assert all(differs(old, new) for old, new in zip(before, weights(G, first, second), strict=True))
    assert {"d/d1/penalty/r1", "d_loss", "g_loss"} <= run.metrics[-1].keys()
    assert run.equilibrium == pytest.approx((3 * np.log(2), 0.5 * np.log(2)))


def test_an_opponent_of_weight_0_changes_nothing_for_the_generator():
    G, first, second = built(4, small_g, small_d, small_d)
    trainer(G=G, D={"d1": Opponent(first, losses.Hinge()), "d2": Opponent(second, losses.Hinge(), weight=0.0)}).fit(20)
    alone_g, alone_d, _ = built(4, small_g, small_d, small_d)
    trainer(G=alone_g, D={"d1": Opponent(alone_d, losses.Hinge())}).fit(20)
    assert_same(weights(G, first), weights(alone_g, alone_d))


def test_callbacks_meet_the_run_at_every_tick(tmp_path):
    seen = []

    def on_tick(run: Run, iteration: int, stats: dict[str, float]) -> None:
        assert isinstance(run, Run)
        assert run.metrics[-1] == stats
        assert (run.iteration, stats["iteration"]) == (iteration, iteration)
        seen.append((iteration, run.sample(3), run.path))

    run = trainer(tmp_path, callbacks=[on_tick]).fit(50)
    assert [iteration for iteration, *_ in seen] == [0, 20, 40, 50]
    assert torch.equal(seen[-1][1], run.sample(3))
    assert not torch.equal(seen[0][1], run.sample(3))
    assert {path for *_, path in seen} == {tmp_path}


def test_a_run_without_a_folder_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = trainer().fit(60)
    assert list(tmp_path.iterdir()) == []
    assert run.path is None
    assert run.settings["batch_size"] == N


def test_what_a_run_is(tmp_path):
    made = trainer(tmp_path)
    run = made.fit(30)
    G, D = made.setup.networks
    assert run.G_live is G
    assert run.D is D
    assert run.G is not G
    assert run.iteration == 30
    assert run.protocol == "standard deviation of 32 samples"
    assert run.equilibrium == pytest.approx((2 * np.log(2), np.log(2)))
    assert run.settings == {**run.settings, "seed": 3, "d_steps": 1, "lr_g": 1e-2, "lr_d": 1e-2, "latent_dim": 2}


def test_the_defaults_make_a_run():
    """The quickstart: two modules, a tensor, a latent size."""
    G, D = networks()
    run = sg.Trainer(G, D, points(), latent_dim=2, evaluate_n=200, device="cpu").fit(10)
    assert run.metrics[-1].keys() >= {"d_loss", "g_loss", "balance", "energy_distance"}
    assert "balance" in run.protocol


def test_figures_are_drawn_at_the_end(tmp_path, drawn_figures):
    trainer(tmp_path).fit(60)
    names = {path.name for path in (tmp_path / "figures").iterdir()}
    assert names == {"losses.png", "gradients.png", "metrics.png", "evolution.png", "latest.png"}
