"""Sample differences: time, classes, scaling, where features come from, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from test_sample_differences import LAYERS, SIDES, Looking, M, N, Telling, d_step, g_step, images, l_sdp
from torch import Tensor
from torch.testing import assert_close

import steadygan as sg
from known import F64, Linear, normal, seeded, tensor
from steadygan.engine.objective import d_objective, g_objective
from steadygan.errors import InputError
from steadygan.losses import NonSaturating, Nothing
from steadygan.methods import Cramer, FakeAsReal, chain
from steadygan.methods.sample_differences import SampleDifferences, nearest_real
from steadygan.types import Batch, Now, Opponent, Scored, critic
from steadygan.types.output import as_output

X, Y = Batch(images(1, N)), Batch(images(2, M))


class TestTime:
    @pytest.mark.parametrize(
        ("iteration", "k"), [(10, 3), (11, 3), (12, 4), (17, 4), (18, 5), (35, 7), (36, 8), (41, 8), (42, 8), (9000, 8)]
    )
    def test_ever_more_pairs(self, iteration: int, k: int) -> None:
        """k(i) = min(m, 2 + floor(i / 6)), counted from iteration 0 and not from the start."""
        D = seeded(3, Telling)
        method = SampleDifferences(weight=0.3, start=10, count=2, grow_every=6)
        score, layers = l_sdp(Y, X, as_output(D(Y.x), M), as_output(D(X.x), N), k)
        for step in (d_step, g_step):
            _, logged = step(D, method, X, Y, at=iteration)
            assert_close(logged["score"], 0.3 / k * score.detach())
            assert_close(logged["features/net.5"], 0.3 / k * layers["net.5"].detach())

    @pytest.mark.parametrize("step", [d_step, g_step])
    def test_nothing_before_the_start(self, step: Any) -> None:
        D = seeded(3, Telling)
        method = SampleDifferences(weight=0.3, start=10, count=2)
        for iteration, acts in ((0, False), (9, False), (10, True)):
            added, logged = step(D, method, X, Y, at=iteration)
            assert (added.abs().item() > 1e-6) == acts
            assert (logged["score"] > 0) == (logged["features/net.2"] > 0) == acts

    def test_the_objective_before_the_start_is_the_plain_one(self) -> None:
        D, found = seeded(3, Telling), []
        for method in (SampleDifferences(), sg.methods.Plain()):
            opponent = {"D": Opponent(D, NonSaturating(), (), method)}
            value, _ = d_objective(opponent, {"D": critic(D)}, X, Y, Now(torch.tensor(2999), {}, {}), SIDES)
            found.append((value, torch.autograd.grad(value, [*D.parameters()])))
        assert_close(found[0], found[1], rtol=0, atol=0)

    def test_defaults(self) -> None:
        """lambda = 0.01, t = 3000, k = 5 + floor(i / 5000)."""
        assert SampleDifferences() == SampleDifferences(0.01, 3000, 5, 5000, (), "squared", False, False, "again")
        assert SampleDifferences().needs_real
        assert not SampleDifferences().shares_batch
        assert SampleDifferences(reuse_batch=True).shares_batch

    def test_the_weight_is_not_rounded(self) -> None:
        """0.01 is no number of float32; in a run of float64 it is that of float64."""
        D = Linear([1.0] * 16)
        for start in (0, 1):
            method = SampleDifferences(weight=0.01, start=start, count=M)
            _, logged = d_step(D, method, X, Y, at=1)
            score, _ = l_sdp(Y, X, as_output(D(Y.x), M), as_output(D(X.x), N), M)
            assert_close(logged["score"].item(), 0.01 * score.item() / M, rtol=1e-14, atol=0)


class TestScaling:
    def test_apart_by_the_norms(self) -> None:
        """||q(a) - q(b)||^2 = ||a - b||^2 / (||a||^2 ||b||^2): features 10 times as large are 100 times closer."""
        a, b = tensor([[3, -1, 0.5]]), tensor([[1, 2, -2]])
        for factor in (1.0, 10.0):
            p, r = factor * a, factor * b
            expected = (p - r).square().sum() / (p.square().sum() * r.square().sum())
            assert_close(self.apart(p, r, "squared"), expected)
            assert_close(self.apart(p, r, "l2"), (a / a.norm() - b / b.norm()).square().sum())
            assert_close(self.apart(p, r, "none"), factor**2 * (a - b).square().sum())

    def apart(self, p: Tensor, r: Tensor, normalise: str) -> Tensor:
        """The features' part for one fake with features p and one real with features r."""
        method = SampleDifferences(weight=1.0, start=0, count=1, normalise=normalise)
        fake, real = (
            Scored(Batch(tensor([[0.0]])), tensor([0.0]), {"f": features}, lambda _: ()) for features in (p, r)
        )
        return method.d_terms(None, real, fake)["features/f"].value.mean()

    @pytest.mark.parametrize("normalise", ["squared", "l2", "none"])
    def test_features_that_are_all_zero(self, normalise: str) -> None:
        """Divided by 1e-12 or its root, not by 0; slopes are finite."""
        p = torch.zeros(1, 3, dtype=F64).requires_grad_()
        value = self.apart(p, tensor([[0.0, 0.0, 0.0]]), normalise)
        assert value.item() == 0
        assert torch.autograd.grad(value, p)[0].isfinite().all()

    @pytest.mark.parametrize(("normalise", "expected"), [("squared", 1e-14 / 1e-24), ("l2", 1e-14 / 1e-12)])
    def test_features_that_are_nearly_zero(self, normalise: str, expected: float) -> None:
        found = self.apart(tensor([[1e-7, 0.0]]), tensor([[0.0, 0.0]]), normalise)
        assert_close(found.item(), expected, rtol=1e-9, atol=0)

    def test_the_largest_over_positions(self) -> None:
        """Maps (c, h, w) count by each channel's maximum, also where that is negative; vectors as they are."""
        maps = tensor([[[[1, 5], [-2, 0]], [[-3, -1], [-7, -2]]]])
        other = tensor([[[[2, 2], [2, 2]], [[0, 4], [0, 0]]]])
        expected = (tensor([5, -1]) - tensor([2, 4])).square().sum()
        assert_close(self.apart(maps, other, "none"), expected)
        assert_close(self.apart(tensor([[5, -1]]), tensor([[2, 4]]), "none"), expected)
        assert_close(self.apart(tensor([[[5, 1], [-1, -9]]]), tensor([[[2, 2], [4, 0]]]), "none"), expected)
        assert_close(self.apart(tensor([5]), tensor([2]), "none").item(), 9.0)

    def test_the_mean_norm_is_told_and_counts_for_nothing(self) -> None:
        D = seeded(3, Telling)
        terms = SampleDifferences(start=0, count=2).d_terms(None, *(critic(D).score(side) for side in (X, Y)))
        assert {key for key, term in terms.items() if term.weight is None} == {f"norm/{layer}" for layer in LAYERS}
        added, logged = d_step(D, SampleDifferences(start=0, count=2), X, Y)
        for layer, maps in D(Y.x)[1].items():
            assert_close(logged[f"norm/{layer}"], maps.flatten(2).amax(2).norm(dim=1).mean().detach())
        parts = [value for key, value in logged.items() if not key.startswith("norm/")]
        assert len(parts) == 3
        assert_close(added.detach(), sum(parts))


class TestClasses:
    def test_the_nearest_of_the_same_class(self) -> None:
        D, k = seeded(3, Telling), 6
        label = [torch.arange(n) % 3 for n in (N, M)]
        x, y = Batch(X.x, label[0]), Batch(Y.x, label[1])
        _, logged = d_step(D, SampleDifferences(weight=0.3, start=0, count=k), x, y)
        score, layers = l_sdp(y, x, as_output(D(Y.x), M), as_output(D(X.x), N), k)
        assert_close(logged["score"], 0.3 / k * score.detach())
        assert_close(logged["features/net.2"], 0.3 / k * layers["net.2"].detach())
        any_class, _ = l_sdp(Y, X, as_output(D(Y.x), M), as_output(D(X.x), N), k)
        assert (score - any_class).abs() > 1e-3

    def test_the_nearest_of_all_where_none_of_the_class_came(self) -> None:
        """Exactly, however far apart samples lie."""
        x = Batch(torch.tensor([[40000.0], [9.0], [5.0]]), torch.tensor([1, 2, 2]))
        y = Batch(torch.tensor([[6.0], [6.0], [8.0], [0.0]]), torch.tensor([1, 0, 0, 2]))
        real, fake = (Scored(side, side.x[:, 0], {}, lambda _: ()) for side in (x, y))
        assert nearest_real(fake, real).tolist() == [0, 2, 1, 2]


class TestFeatures:
    @pytest.mark.parametrize("layers", [LAYERS, LAYERS[1:]])
    def test_of_a_users_module(self, layers: tuple[str, ...]) -> None:
        """Named sub-modules of a module that returns logits alone are what one tells that returns them itself."""
        method = SampleDifferences(weight=0.3, start=0, feature_layers=list(layers))
        looking, telling = seeded(3, Looking), seeded(3, Telling)
        for step in (d_step, g_step):
            _, tapped = step(looking, method, X, Y, lambda D: critic(D, layers=method.layers))
            _, expected = step(telling, SampleDifferences(weight=0.3, start=0), X, Y)
            assert {key for key in tapped if key != "score"} == {
                f"{a}/{b}" for a in ("features", "norm") for b in layers
            }
            assert_close(tapped, {key: expected[key] for key in tapped})

    def test_only_those_asked_for(self) -> None:
        """A module may return features and have layers named beside."""
        method = SampleDifferences(weight=0.3, start=0, feature_layers=("net.5",))
        _, logged = d_step(seeded(3, Telling), method, X, Y, lambda D: critic(D, layers=method.layers))
        assert logged.keys() == {"score", "features/net.5", "norm/net.5"}

    def test_none(self) -> None:
        _, logged = d_step(seeded(3, Looking), SampleDifferences(start=0), X, Y)
        assert logged.keys() == {"score"}

    def test_beside_cramer(self) -> None:
        """The logit it measures with, where D tells no h, does not become one of D's features."""
        D, both = seeded(3, Telling), chain(Cramer(), SampleDifferences(weight=0.3, start=0, count=2))
        opponent = {"D": Opponent(D, Nothing(), (), both)}
        fake, now = Batch(images(2, 2 * M)), Now(torch.tensor(0), {}, {})
        for step in (d_objective, g_objective):
            told = step(opponent, {"D": critic(D)}, X, fake, now, SIDES)[1]
            means = told[0] if step is d_objective else told
            parts = {key.rsplit("/", 1)[1] for key in means if ".features/" in key}
            assert parts == {*LAYERS}

    def test_layers_of_all_methods_of_a_chain(self) -> None:
        both = chain(FakeAsReal(2), SampleDifferences(feature_layers=("net.2",)))
        assert both.layers == ("net.2",)
        assert both.needs_real
        assert not both.replaces_loss
        assert chain(FakeAsReal(2), SampleDifferences(reuse_batch=True)).shares_batch


class TestRefuses:
    @pytest.mark.parametrize(
        ("settings", "said"),
        [
            ({"weight": -1.0}, "sample_differences.weight: expected a number of 0 or more, got -1.0"),
            ({"start": -1}, "sample_differences.start: expected a whole number of 0 or more, got -1"),
            ({"count": 0}, "sample_differences.count: expected a whole number of 1 or more, got 0"),
            ({"grow_every": 0}, "sample_differences.grow_every: expected a whole number of 1 or more, got 0"),
            (
                {"normalise": "l1"},
                "sample_differences.normalise: expected one of squared, l2, none, got 'l1': did you mean 'l2'?",
            ),
            (
                {"feature_layers": "net.2"},
                "sample_differences: expected a list of feature_layers, got the text 'net.2': write ['net.2']",
            ),
        ],
    )  # fmt: skip
    def test_settings(self, settings: dict[str, Any], said: str) -> None:
        with pytest.raises(InputError) as caught:
            SampleDifferences(**settings)
        assert str(caught.value) == said

    def test_more_pairs_than_fakes(self) -> None:
        assert SampleDifferences(count=8).draws_d(6, 8) == (6, 8)
        with pytest.raises(
            InputError, match="count must be at most the batch of 8, not 9: lower count or raise batch_s"
        ):
            SampleDifferences(count=9).draws_d(6, 8)
        with pytest.raises(InputError, match="at most the batch of 4, not 5"):
            self.trained(batch_size=4, method=SampleDifferences())

    def test_a_layer_that_is_not_there(self) -> None:
        with pytest.raises(
            InputError, match=r"unknown feature layer 'net.9': did you mean 'net.\d'\? known: net, net.0, n"
        ):
            SampleDifferences(feature_layers=("net.9",)).on(Looking())
        with pytest.raises(InputError, match=r"unknown feature layer '7'.* known: 0, 1, 2, 3, 4, 5, 6"):
            self.trained(method=SampleDifferences(feature_layers=("1", "7")))

    def trained(self, **settings: Any) -> sg.Trainer:
        G, D = seeded(0, lambda: sg.models.mlp(2, 2, 4)), seeded(1, lambda: sg.models.mlp(2, 1, 4))
        return sg.Trainer(G, D, normal(0, 20, 2), latent_dim=2, dtype=F64, **({"batch_size": 8} | settings))

    def test_a_generator_step_without_reals(self) -> None:
        with pytest.raises(TypeError, match="needs real samples in the generator step"):
            SampleDifferences().g_terms(None, None, critic(Linear([1.0] * 16)).score(Y))
