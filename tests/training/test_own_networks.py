"""Networks of one's own that do not do what training thinks: told in one line, or mended, before the first step."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import steadygan as sg
from steadygan.errors import InputError

POINTS = torch.randn(60, 2, generator=torch.Generator().manual_seed(0))


def mlp(outputs: int, inputs: int = 2) -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(outputs)
        return nn.Sequential(nn.Linear(inputs, 8), nn.LeakyReLU(0.2), nn.Linear(8, outputs))


class Ending(nn.Module):
    """An mlp, and what becomes of its output."""

    def __init__(self, outputs: int, end: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.net, self.end = mlp(outputs), end

    def forward(self, x: Tensor) -> Any:
        return self.end(self.net(x))


def trainer(G: nn.Module | None = None, D: Any = None, data: Any = POINTS, **arguments: Any) -> sg.Trainer:
    settings = {"latent_dim": 2, "evaluator": None, "batch_size": 8, "log_every": 5, "device": "cpu"} | arguments
    return sg.Trainer(G or mlp(2), D or mlp(1), data, **settings)


def fit(*networks: Any, iterations: int = 1, **arguments: Any) -> sg.Run:
    return trainer(*networks, **arguments).fit(iterations)


def labelled(*labels: int) -> torch.utils.data.Dataset[Any]:
    return torch.utils.data.TensorDataset(POINTS, torch.tensor(labels).repeat(60)[:60])


class Seen(nn.Module):
    """A network that is told classes by the second parameter of its forward, and counts which ones."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.net, self.classes = mlp(outputs, 3), set[int]()

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        assert y is not None
        self.classes |= {*y.tolist()}
        out: Tensor = self.net(torch.cat([x, y.unsqueeze(1).to(x)], 1))
        return out


class TestClasses:
    def test_the_second_parameter_is_told_them_and_it_is_said(self) -> None:
        G, D = Seen(2), Seen(1)
        with pytest.warns(UserWarning, match="G is told the classes by 'y', the second parameter of its forward"):
            made = trainer(G, D, labelled(0, 1, 2))
        run = made.fit(2)
        assert G.classes == D.classes == {0, 1, 2}
        assert run.conditional
        assert [note.split()[0] for note in run.notes if "is told the classes by 'y'" in note] == ["G", "D"]
        assert run.sample(3, label=1).shape == (3, 2)

    def test_g_told_and_d_not(self) -> None:
        with pytest.warns(UserWarning, match="G is told the classes and D is not, so that nothing ties a class to its"):
            trainer(Seen(2), mlp(1), labelled(0, 1))

    def test_d_could_be_told_and_g_not(self) -> None:
        class Asked(Seen):
            def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
                assert y is None
                return super().forward(x, torch.zeros(len(x)))

        with pytest.warns(UserWarning, match="the data have classes that D could be told, but G takes none: train wi"):
            made = trainer(mlp(2), Asked(1), labelled(0, 1))
        made.fit(1)

    def test_labels_with_gaps_are_told_and_what_never_occurred_is_refused(self) -> None:
        with pytest.warns(UserWarning, match="labels are 1, 3 to 4: 3 of 5 classes, counted from 0, occur"):
            made = trainer(Seen(2), Seen(1), labelled(1, 3, 4))
        run = made.fit(1)
        assert run.sample(2, label=3).shape == (2, 2)
        with pytest.raises(InputError, match="expected a label among those of the data, 1, 3 to 4, got 0: choose"):
            run.sample(2, label=0)

    def test_nothing_is_said_where_all_is_told(self) -> None:
        class Told(Seen):
            def forward(self, x: Tensor, label: Tensor) -> Tensor:  # type: ignore[override]
                return super().forward(x, label)

        with warnings.catch_warnings():
            warnings.simplefilter("error")
            trainer(Told(2), Told(1), labelled(0, 1))
            trainer(mlp(2), mlp(1), labelled(0, 2))

    def test_who_asks_for_what_is_told(self) -> None:
        class Asking(Seen):
            def forward(self, x: Tensor, y: Tensor) -> Tensor:
                return super().forward(x, y)

        with pytest.raises(InputError, match=r"expected data with labels, as G \(its 'y'\) takes them, got"):
            fit(Asking(2), mlp(1))


class TestParts:
    def test_a_penalty_that_returns_a_tensor(self) -> None:
        class Mean(sg.types.Penalty):
            name = "mean"

            def __call__(self, critic: Any, real: Any, fake: Any) -> Any:
                return real.logits.square().mean()

        said = r"^expected a types.Term from the penalty mean, got Tensor: return Term\(value per sample, weight\)$"
        with pytest.raises(InputError, match=said):
            fit(penalties=[Mean()])
        with pytest.raises(InputError, match=said):
            Mean().loss(mlp(1), POINTS, POINTS)

    @pytest.mark.parametrize(("found", "said"), [
        (lambda x: x.square(), "expected terms by name from the loss's d, got Tensor: return {'name': Term"),
        (lambda x: {"all": x.square()}, r"expected a types.Term from the loss's d\['all'\], got Tensor"),
    ])  # fmt: skip
    def test_a_loss_that_returns_tensors(self, found: Callable[[Tensor], Any], said: str) -> None:
        class Own(sg.losses.NonSaturating):
            def d(self, real: Tensor, fake: Tensor) -> Any:
                return found(real)

        with pytest.raises(InputError, match=said):
            fit(loss=Own())
