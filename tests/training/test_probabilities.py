"""Discriminators that give probabilities where logits are expected: refused, read, or told."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
from torch import nn

import steadygan as sg
from own_networks import POINTS, Ending, fit, mlp, trainer
from steadygan.errors import InputError


def sigmoid_d() -> nn.Sequential:
    return nn.Sequential(*mlp(1), nn.Sigmoid())


class TestProbabilities:
    @pytest.mark.parametrize(("end", "word"), [
        (torch.sigmoid, "a sigmoid"),
        (lambda x: torch.sigmoid(x).view(-1, 1, 1, 1), "a sigmoid"),
        (lambda x: torch.softmax(torch.cat([x, -x], 1), 1)[:, 1], "a softmax"),
        (torch.tanh, "tanh"),
        (lambda x: x.clamp(0, 1), "a clamp"),
        (nn.functional.logsigmoid, "the logarithm of a sigmoid"),
    ])  # fmt: skip
    def test_squashed_scores_are_refused_unless_they_are_meant(self, end: Any, word: str) -> None:
        D = Ending(1, end)
        said = (
            f"^expected logits of D, got the scores of a network that ends in {word}: leave that layer out, set gives"
        )
        with pytest.raises(InputError, match=said):
            fit(None, D)
        fit(None, D, gives="logit")
        with pytest.raises(InputError, match=f"that ends in {word}"):
            sg.penalties.r1(1.0).loss(D, POINTS)
        assert sg.penalties.r1(1.0).loss(sg.types.critic(D, gives="logit"), POINTS) > 0

    @pytest.mark.parametrize("end", [lambda x: x.clamp(-50, 50), lambda x: 10 * torch.tanh(x), torch.relu])
    def test_others_are_logits(self, end: Any) -> None:
        fit(None, Ending(1, end))

    @pytest.mark.parametrize(
        ("D", "more", "told"),
        [
            (Ending(1, lambda x: (1 + torch.tanh(8 * (x - x.detach().mean()))) / 2), {}, True),
            (Ending(1, lambda x: (1 + torch.tanh(8 * (x - x.detach().mean()))) / 2), {"gives": "logit"}, False),
            (
                Ending(1, lambda x: (1 + torch.tanh(8 * (x - x.detach().mean()))) / 2),
                {"loss": sg.losses.LeastSquares()},
                False,
            ),
            (mlp(1), {}, False),
        ],
    )
    def test_probabilities_made_in_another_way_are_told_once(self, D: Any, more: dict[str, Any], told: bool) -> None:
        """No last operation gives them away, but at a look all scores lie in [0, 1] and come near both ends."""
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            fit(None, D, iterations=10, **more)
        assert sum("all scores of D lie in [0, 1]" in str(each.message) for each in seen) == told

    def test_the_input_of_the_sigmoid_is_read_exactly(self) -> None:
        """Trained as the network without it, bit for bit; D itself goes on giving probabilities."""
        D, bare = sigmoid_d(), mlp(1)
        settings: dict[str, Any] = {"iterations": 5, "penalties": [sg.penalties.r1(0.1)], "log_every": 1}
        settings["method"] = sg.methods.FakeAsReal(2, 2)
        run, wanted = fit(None, D, gives="probability", **settings), fit(None, bare, **settings)
        assert run.metrics == wanted.metrics
        assert torch.equal(D(POINTS), torch.sigmoid(bare(POINTS)))
        assert torch.equal(run.D(POINTS), bare(POINTS))
        assert [*run.D.state_dict()] == [*D.state_dict()]

    def test_stacked_members_read_it_too(self) -> None:
        bare = sg.Seeds(lambda seed: trainer(mlp(2), mlp(1), seed=seed), 2)
        read = sg.Seeds(lambda seed: trainer(mlp(2), sigmoid_d(), seed=seed, gives="probability"), 2)
        assert bare.fit(5)[1].metrics == read.fit(5)[1].metrics
        assert read.reason is None

    def test_an_opponent_of_several_and_single_functions(self) -> None:
        D, loss = sigmoid_d(), sg.losses.NonSaturating()
        several = {"D1": sg.types.Opponent(D, loss, gives="probability"), "D2": sg.types.Opponent(mlp(1), loss)}
        fit(None, several)
        bare, r1 = D[:-1], sg.penalties.r1(1.0)
        for given in (sg.types.opened(D), sg.types.critic(D, gives="probability")):
            assert torch.equal(r1.loss(given, POINTS), r1.loss(bare, POINTS))

    def test_large_logits_are_read_where_the_sigmoid_is_1(self) -> None:
        D = nn.Sequential(nn.Linear(2, 1), nn.Sigmoid())
        nn.init.constant_(D[0].bias, 100.0)
        assert sg.types.opened(D)(POINTS).min() > 50
        assert torch.equal(D(POINTS), torch.ones(60, 1))

    @pytest.mark.parametrize(("D", "said"), [
        (lambda: Ending(1, torch.sigmoid), "expected a discriminator that ends in an nn.Sigmoid module"),
        (lambda: nn.Sequential(nn.Linear(2, 2), nn.Sigmoid(), nn.Linear(2, 1)), "expected D to end in its last"),
    ])  # fmt: skip
    def test_without_one_at_its_end_it_is_refused(self, D: Any, said: str) -> None:
        with pytest.raises(InputError, match=said):
            fit(None, D(), gives="probability")

    def test_another_word_is_refused(self) -> None:
        with pytest.raises(InputError, match="unknown gives 'logits': did you mean 'logit'"):
            trainer(gives="logits")
