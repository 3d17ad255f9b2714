"""Networks of one's own that do not do what training thinks: told in one line, or mended, before the first step."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import steadygan as sg
from own_networks import POINTS, Ending, fit, mlp, trainer
from steadygan.diagnostics.states import is_good
from steadygan.errors import CollapseError, InputError


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
        with pytest.warns(UserWarning, match="G receives the classes through 'y', the second parameter of its forward"):
            made = trainer(G, D, labelled(0, 1, 2))
        run = made.fit(2)
        assert G.classes == D.classes == {0, 1, 2}
        assert run.conditional
        assert [note.split()[0] for note in run.notes if "receives the classes through 'y'" in note] == ["G", "D"]
        assert run.sample(3, label=1).shape == (3, 2)

    def test_g_told_and_d_not(self) -> None:
        with pytest.warns(UserWarning, match="G receives the classes and D does not, so nothing ties a class to its"):
            trainer(Seen(2), mlp(1), labelled(0, 1))

    def test_d_could_be_told_and_g_not(self) -> None:
        class Asked(Seen):
            def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
                assert y is None
                return super().forward(x, torch.zeros(len(x)))

        with pytest.warns(UserWarning, match="the data have classes that D could use, but G takes none: train wi"):
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


def one_hot(x: Tensor) -> Tensor:
    return nn.functional.one_hot(x.argmax(1), 2).to(x)


CUT = {
    "none": (Tensor.detach, lambda x: x.data, lambda x: torch.from_numpy(x.detach().numpy()), one_hot,
             lambda x: x.long().float()),
    "one of exactly 0": (torch.round, torch.sign, lambda x: (x + 100.0).clamp(0, 1)),
}  # fmt: skip
CASES = [(end, got) for got, ends in CUT.items() for end in ends]


class TestGradients:
    @pytest.mark.parametrize(("end", "got"), CASES)
    def test_a_player_that_is_cut_off_from_its_loss_is_refused(self, end: Any, got: str) -> None:
        with pytest.raises(
            InputError, match=f"^expected a gradient through its samples to the weights of G, got {got}: "
        ):
            fit(Ending(2, end))
        with pytest.raises(
            InputError, match=f"^expected a gradient through its logits to the weights of D, got {got}: "
        ):
            fit(None, Ending(1, lambda x: end(torch.cat([x, -x], 1))[:, 0]), gives="logit")

    def test_one_of_two_opponents(self) -> None:
        class Blind(Ending):
            def forward(self, x: Tensor) -> Any:
                return super().forward(x.detach())

        def two(weight: float) -> dict[str, Any]:
            loss = sg.losses.NonSaturating()
            blind = sg.types.Opponent(Blind(1, lambda x: x), loss, weight=weight)
            return {"D1": sg.types.Opponent(mlp(1), loss), "D2": blind}

        with pytest.raises(InputError, match="expected D2 to pass a gradient to its samples, got none: G would"):
            fit(None, two(0.5))
        fit(None, two(0.0))  # it only looks on

    def test_a_part_that_is_cut_off_is_named(self) -> None:
        class Partly(Ending):
            def __init__(self) -> None:
                super().__init__(2, lambda x: x)
                self.extra = nn.Linear(2, 2)

        run = fit(Partly())
        assert "no gradient reaches extra.weight, extra.bias of G: they stay unchanged" in run.notes
        assert not any("no gradient" in note for note in fit().notes)

    def test_a_last_layer_that_begins_at_zero_is_none(self) -> None:
        D = mlp(1)
        nn.init.zeros_(D[-1].weight)
        fit(None, D)

    def test_an_objective_that_is_cut_off(self) -> None:
        class Own(sg.losses.NonSaturating):
            def g(self, fake: Tensor, real: Tensor | None = None) -> Any:
                return super().g(fake.detach())

        with pytest.raises(
            InputError, match=r"^expected an objective through which a gradient reaches the weights, got"
        ):
            fit(loss=Own())

    def test_nothing_of_it_stays(self) -> None:
        """The trial leaves buffers, gradients, flags and random numbers as they were."""
        G, D = nn.Sequential(mlp(2), nn.BatchNorm1d(2)), mlp(1)
        made = trainer(G, D)
        torch.manual_seed(3)
        expected = torch.get_rng_state()
        made.fit(0)
        assert torch.equal(torch.get_rng_state(), expected)
        assert int(G[1].num_batches_tracked) == 0
        assert all(p.grad is None and p.requires_grad for network in (G, D) for p in network.parameters())


class Scaling(nn.Module):
    """An mlp that writes over its input."""

    def __init__(self, outputs: int, inplace: bool) -> None:
        super().__init__()
        self.net, self.inplace = mlp(outputs), inplace

    def forward(self, x: Tensor) -> Any:
        if self.inplace:
            x *= 1.5
            return self.net(x)
        return self.net(x * 1.5)


class TestWritingOver:
    @pytest.mark.parametrize("player", ["G", "D"])
    def test_it_is_lent_copies(self, player: str) -> None:
        """Everything is as with a network that does not write: training, looks, fixed latents, samples."""

        def run(inplace: bool) -> sg.Run:
            G = Scaling(2, inplace) if player == "G" else None
            D = Scaling(1, inplace) if player == "D" else None
            more: dict[str, Any] = {"penalties": [sg.penalties.r1(0.1)], "d_steps": 2}
            return fit(G, D, iterations=10, evaluator=lambda x: {"mean": float(x.mean())}, evaluate_n=300, **more)

        ours, plain = run(True), run(False)
        assert ours.metrics == plain.metrics
        assert torch.equal(ours.sample(300), plain.sample(300))

    def test_an_activation_in_place_at_the_beginning(self) -> None:
        def D(inplace: bool) -> nn.Module:
            return nn.Sequential(nn.ReLU(inplace=inplace), *mlp(1))

        far = sg.methods.FakeAsReal(2, 2)
        assert fit(None, D(True), method=far).metrics == fit(None, D(False), method=far).metrics
        with pytest.raises(
            InputError, match="leaves its input unchanged, got one that overwrites it: use inplace=False"
        ):
            sg.penalties.r1(1.0).loss(D(True), POINTS)


class TestCompiled:
    def test_a_compiled_network_is_trained_as_it_was_before(self) -> None:
        def run(wrap: Callable[[nn.Module], nn.Module]) -> sg.Run:
            return fit(wrap(mlp(2)), wrap(mlp(1)), penalties=[sg.penalties.r1(0.1)], iterations=2, log_every=1)

        def own(network: nn.Module) -> nn.Module:
            network.compile()
            return network

        wanted = run(lambda network: network)
        for wrap in (torch.compile, own):
            assert run(wrap).metrics == wanted.metrics
        r1, D = sg.penalties.r1(1.0), mlp(1)
        assert torch.equal(r1.loss(torch.compile(D), POINTS), r1.loss(D, POINTS))

    def test_what_cannot_be_trained_is_refused(self) -> None:
        part = nn.Sequential(torch.compile(nn.Linear(2, 2)), nn.Linear(2, 1))
        with pytest.raises(InputError, match="D must not contain compiled parts such as 0: pass it uncompiled"):
            trainer(None, part)
        with pytest.raises(InputError, match=r"G must be a plain torch.nn.Module, not one of torch"):
            trainer(torch.jit.trace(mlp(2), POINTS[:2]))

    def test_wrappers_that_pass_everything_on(self) -> None:
        run = fit(nn.DataParallel(mlp(2)), nn.DataParallel(mlp(1)), iterations=2, log_every=1)
        assert run.metrics == fit(iterations=2, log_every=1).metrics


class TestNames:
    @pytest.mark.parametrize("back", [False, True])
    def test_a_wrapper_may_come_and_go(self, back: bool, tmp_path: Path) -> None:
        """Resumed and loaded without what it was wrapped in, or with: the same run, bit for bit."""

        def networks(wrapped: bool) -> tuple[nn.Module, ...]:
            return (nn.DataParallel(mlp(2)), nn.DataParallel(mlp(1))) if wrapped else (mlp(2), mlp(1))

        fit(*networks(not back), iterations=5, out=tmp_path)
        run = fit(*networks(back), iterations=10, out=tmp_path, resume=True)
        assert run.metrics == fit(iterations=10).metrics
        G, D = networks(not back)
        assert torch.equal(sg.load(tmp_path, G=G, D=D).sample(9), run.sample(9))


class Failing(nn.Module):
    """A generator from which its gradient can be taken away while it is trained."""

    alive = True

    def __init__(self) -> None:
        super().__init__()
        self.net = mlp(2)

    def forward(self, z: Tensor) -> Any:
        x = self.net(z)
        return x if Failing.alive else x * 0.0 + z


class TestStalled:
    @pytest.fixture(autouse=True)
    def alive(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Failing, "alive", True)

    def stop(self, _: sg.Run, iteration: int, __: Any) -> None:
        Failing.alive = iteration < 5

    @pytest.mark.parametrize("seeds", [1, 2])
    def test_a_gradient_of_exactly_zero_over_a_tick_is_a_verdict(self, seeds: int) -> None:
        made = sg.Seeds(lambda seed: trainer(Failing(), mlp(1), seed=seed, callbacks=[self.stop]), seeds)
        for run in made.fit(15):
            verdicts = [record["verdict"] for record in run.metrics]
            assert [is_good(verdict) for verdict in verdicts[:4]] == [True] * 3 + [False]
            assert verdicts[3] == "stalled"
            assert run.metrics[-1]["gradient_norm_g"] == 0.0
            assert run.metrics[-1]["causes"].split()[0] == "g_dead"
            assert "no gradient reaches G's weights (at iteration 15): check for a clamp" in run.metrics[-1]["reason"]
        assert made.reason is None

    def test_it_stops_a_run(self) -> None:
        with pytest.raises(CollapseError, match=r"iteration 15: stalled: .*no gradient reaches G's weights"):
            fit(Failing(), iterations=20, callbacks=[self.stop], monitor=sg.CollapseMonitor(policy="stop"))
