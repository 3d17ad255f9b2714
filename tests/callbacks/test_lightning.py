"""`callbacks.Lightning` in Lightning's trainer: the loop by hand, resumed, rolled back, in two processes."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from watched import BROKEN, LOSS, Gan, by_hand, monitor, normal

import steadygan as sg
from steadygan.errors import CollapseWarning, InputError
from tiny import assert_same

framework = pytest.importorskip("lightning.pytorch", reason="lightning is not installed: pip install lightning")
other = pytest.importorskip("pytorch_lightning")
BATCHES = 10  # of an epoch
pytestmark = pytest.mark.filterwarnings("ignore:.*(num_workers|treespec|validation_step|not empty)")


def module(package: Any, broken: int | None = None, **more: Any) -> Any:
    """The toy as a module: its iteration is the number of batches so far, and kept beside the weights."""

    class Toy(package.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.automatic_optimization = False
            self.gan, self.count = Gan(broken), 0
            self.G, self.D = self.gan.G, self.gan.D

        def configure_optimizers(self) -> Any:
            return self.gan.opt_g, self.gan.opt_d

        def training_step(self, batch: Any, _: int) -> Any:
            self.count += 1
            return self.gan.step(self.count, self.manual_backward, (self.G, self.D, *self.optimizers()))

        def validation_step(self, batch: Any, _: int) -> None:
            assert not self.training
            self.log("seen", self.D(batch[0]).mean())

        def on_save_checkpoint(self, checkpoint: Any) -> None:
            checkpoint["count"] = self.count

        def on_load_checkpoint(self, checkpoint: Any) -> None:
            self.count = checkpoint["count"]

    made = Toy()
    for name, value in more.items():
        setattr(made, name, value)
    return made


def trainer(callback: Any, steps: int, package: Any = framework, **more: Any) -> Any:
    settings = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, **more}
    return package.Trainer(
        max_epochs=steps // BATCHES,
        accelerator="cpu",
        devices=1,
        callbacks=[callback],
        enable_model_summary=False,
        **settings,
    )


def data() -> Any:
    return DataLoader(TensorDataset(torch.zeros(4 * BATCHES, 2)), batch_size=4)


def fit(
    steps: int, broken: int | None = None, policy: str = "warn", path: Any = None, callback: Any = None, **more: Any
) -> tuple[Any, Any, Any]:
    callback = callback or sg.callbacks.Lightning(monitor(policy))
    made, net = trainer(callback, steps, **more), module(more.get("package", framework), broken)
    made.fit(net, data(), ckpt_path=path)
    return made, net, callback


def assert_alike(net: Any, gan: Gan) -> None:
    assert_same(
        {k: v.state_dict() for k, v in net.gan.objects.items()}, {k: v.state_dict() for k, v in gan.objects.items()}
    )


@pytest.mark.parametrize("package", [framework, other], ids=["lightning", "pytorch_lightning"])
def test_the_records_are_those_of_the_loop_by_hand(package: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("lightning.pytorch", "pytorch_lightning"):
        if name != package.__name__:
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "steadygan.callbacks.lightning", raising=False)
    _, net, callback = fit(30, package=package)
    assert type(callback).__mro__[2] is package.Callback
    gan, own = by_hand(30)
    assert callback.monitor.records == own.records
    assert len(own.records) == 7
    assert_alike(net, gan)


def test_validation_and_its_rehearsal_are_not_watched() -> None:
    callback = sg.callbacks.Lightning(monitor())
    made = trainer(callback, 20, num_sanity_val_steps=2, val_check_interval=3)
    made.fit(module(framework), data(), data())
    assert callback.monitor.records == by_hand(20)[1].records
    assert "seen" in made.callback_metrics


@pytest.mark.parametrize("cut", [10, 20])
def test_a_resumed_run_goes_on_as_the_unbroken_one(cut: int, tmp_path: Path) -> None:
    """Before and after an accident: what it was rolled back to is kept, too."""
    _, whole, one = fit(40, BROKEN, "rollback")
    first, *_ = fit(cut, BROKEN, "rollback")
    first.save_checkpoint(tmp_path / "a.ckpt")
    _, net, again = fit(40, BROKEN, "rollback", tmp_path / "a.ckpt")
    assert again.monitor.records == one.monitor.records == by_hand(40, BROKEN, "rollback")[1].records
    assert again.loop.guard.events == one.loop.guard.events
    assert_alike(net, whole.gan)


def test_a_checkpoint_goes_before_what_a_callback_had_seen(tmp_path: Path) -> None:
    callback = sg.callbacks.Lightning(monitor())
    made, *_ = fit(10, callback=callback)
    made.save_checkpoint(tmp_path / "a.ckpt")
    fit(30, path=tmp_path / "a.ckpt", callback=callback)
    assert len(callback.monitor.records) == 7
    fit(20, path=tmp_path / "a.ckpt", callback=callback)
    assert callback.monitor.records == by_hand(20)[1].records


def test_a_roll_back_restores_weights_and_optimisers() -> None:
    """Those of iteration 12, at the end of the 16th batch; then it trains on."""
    seen: list[Any] = []

    class Looking(framework.Callback):  # type: ignore[misc, name-defined]
        def on_train_batch_end(self, made: Any, net: Any, *_: Any) -> None:
            if net.count == 16:
                seen.append(deepcopy({name: each.state_dict() for name, each in net.gan.objects.items()}))

    callback = sg.callbacks.Lightning(monitor("rollback"), remedy=lambda *_: None)
    made = trainer(callback, 20)
    made.callbacks.append(Looking())
    with pytest.warns(CollapseWarning, match="iteration 16: collapsed: .*: rolled back to iteration 12 .1 of 3"):
        made.fit(module(framework, BROKEN), data())
    gan, _ = by_hand(12)
    assert_same(seen[0], {name: each.state_dict() for name, each in gan.objects.items()})
    assert not made.should_stop


def test_a_scaler_and_schedules_go_back_too() -> None:
    """All that has a state in the trainer is guarded."""
    net = module(framework)
    rates = torch.optim.lr_scheduler.ExponentialLR(net.gan.opt_d, 0.9)
    net.configure_optimizers = lambda: ([net.gan.opt_g, net.gan.opt_d], [rates])
    callback = sg.callbacks.Lightning(monitor("rollback"))
    made = trainer(callback, 10)
    made.fit(net, data())
    guarded = callback.loop.guard.objects
    assert [*guarded] == ["module", "precision", "optimizer_0", "optimizer_1", "scheduler_0", "monitor"]
    assert guarded["scheduler_0"] is rates
    assert guarded["precision"] is made.precision_plugin


def test_stop_ends_the_training_as_early_stopping_does() -> None:
    with pytest.warns(CollapseWarning, match="stopped by the monitor"):
        made, net, callback = fit(40, BROKEN, "stop")
    assert net.count == 16
    assert made.should_stop
    assert callback.stopped.startswith("iteration 16: collapsed: ")
    assert made.state.finished


def test_figures_reach_loggers_and_other_callbacks(tmp_path: Path) -> None:
    from lightning.pytorch.loggers import CSVLogger

    callback = sg.callbacks.Lightning(monitor())
    best = framework.callbacks.ModelCheckpoint(tmp_path, monitor="quality/quality", mode="max")
    made = trainer(callback, 20, logger=CSVLogger(tmp_path), enable_checkpointing=True)
    made.callbacks.append(best)
    made.fit(module(framework), data())
    rows = (next(tmp_path.glob("**/metrics.csv"))).read_text().splitlines()
    columns = rows[0].split(",")
    told = [row.split(",")[columns.index("quality/quality")] for row in rows[1:]]
    assert [float(each) for each in told if each] == [record["quality"] for record in callback.monitor.records]
    assert [int(row.split(",")[columns.index("step")]) for row in rows[1:]] == [4, 8, 12, 16, 20]
    assert float(best.best_model_score) in {torch.tensor(r["quality"]).item() for r in callback.monitor.records}


def test_a_second_fit_goes_on() -> None:
    callback = sg.callbacks.Lightning(monitor("rollback"))
    made, net = trainer(callback, 10), module(framework)
    made.fit(net, data())
    made.fit_loop.max_epochs = 2
    made.fit(net, data())
    assert callback.monitor.records == by_hand(20)[1].records


def test_names_and_functions_of_the_module() -> None:
    """Another name, a function for a D that is read in its own way, and samples that the step does not return."""
    net = module(framework)
    net.nets = nn.ModuleDict({"critic": net.D})
    made_by_step, kept = net.training_step, {}
    net.training_step = lambda batch, batch_idx: kept.update(made_by_step(batch, batch_idx))
    callback = sg.callbacks.Lightning(
        monitor(),
        D=lambda gan: sg.types.critic(gan.nets["critic"]),
        G="gan.G",
        step=lambda *_: kept,
    )
    trainer(callback, 20).fit(net, data())
    assert [record["iteration"] for record in callback.monitor.records] == [4, 8, 12, 16, 20]
    wanted = by_hand(20)[1].records
    assert [r["quality"] for r in callback.monitor.records] == [r["quality"] for r in wanted]


def test_automatic_optimisation_is_watched_alike() -> None:
    """A module whose one optimiser trains one of the two: its mapping comes with the loss."""

    class Half(framework.LightningModule):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            gan = Gan()
            self.G, self.D, self.count = gan.G, gan.D, 0

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.D.parameters(), lr=1e-3)

        def training_step(self, batch: Any, i: int) -> Any:
            self.count += 1
            x, y = normal(2 * self.count), self.G(normal(2 * self.count + 1))
            loss = sg.d_loss(LOSS, self.D, x, y)
            return {"loss": loss, "real": x, "fake": y, "d_loss": loss}

    callback = sg.callbacks.Lightning(monitor())
    trainer(callback, 20).fit(Half(), data())
    assert len(callback.monitor.records) == 5
    assert all("d_loss" in record for record in callback.monitor.records)


def returning(value: Any) -> Callable[[], Any]:
    def run() -> None:
        net = module(framework)
        net.training_step = lambda *_: value
        trainer(sg.callbacks.Lightning(monitor()), 10).fit(net, data())

    return run


def watching(**arguments: Any) -> Callable[[], Any]:
    return lambda: trainer(sg.callbacks.Lightning(monitor(), **arguments), 10).fit(module(framework), data())


@pytest.mark.parametrize(("act", "said"), [
    (watching(D="critic"), "expected the module to have critic, got Toy with G, D: pass D="),
    (watching(G="net.G"), r"expected the module to have net\.G, got Toy with G, D: pass G="),
    (returning(None), "expected training_step to return a mapping with real and fake, .*: add them, or pass step="),
    (returning({"real": normal(1)}), "got keys real: add them, or pass step="),
    (watching(step=lambda *_: {}), r"expected step to return a mapping with .* got keys none: add them$"),
    (lambda: sg.callbacks.Lightning(None), "expected a sg.CollapseMonitor, got NoneType"),  # type: ignore[arg-type]
    (lambda: sg.callbacks.Lightning(monitor("rollback", remedy=sg.Remedy(own=True))), "without a remedy, got own"),
])  # fmt: skip
def test_what_is_refused(act: Callable[[], Any], said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        act()
    assert "\n" not in str(caught.value)


def test_weights_in_parts_are_refused() -> None:
    callback = sg.callbacks.Lightning(monitor())
    made = type("Made", (), {"strategy": object.__new__(type("Parted", (), {}))})()
    with pytest.raises(
        InputError, match="expected every device to hold all weights, got the strategy Parted: train on"
    ):
        callback.on_fit_start(made, module(framework))


def test_without_lightning_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("lightning.pytorch", "pytorch_lightning"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, "steadygan.callbacks.lightning", raising=False)
    with pytest.raises(InputError, match=r"^Lightning is not installed: pip install lightning$"):
        sg.callbacks.Lightning(monitor())


def test_nothing_is_imported_before_it_is_asked_for() -> None:
    code = (
        "import sys, steadygan as sg; sg.callbacks.Loop; sg.callbacks.wandb; sg.Trainer; "
        "print(sorted({'lightning', 'pytorch_lightning', 'accelerate', 'optuna', 'wandb'} & {*sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=240, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
def test_two_processes(tmp_path: Path) -> None:
    """The first observes, both stop; each has the same weights."""
    done = subprocess.run(
        [sys.executable, __file__, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    told = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1)]
    assert [each["records"] for each in told] == [4, 0]
    assert told[0]["stopped"] == told[1]["stopped"] != ""
    assert [each["count"] for each in told] == [16, 16]
    assert_same(told[0]["G"], told[1]["G"])


def both(folder: Path) -> None:
    """Two processes of Lightning's own, forked."""
    torch.set_num_threads(1)

    class Writing(framework.Callback):  # type: ignore[misc, name-defined]
        def on_train_end(self, made: Any, net: Any) -> None:
            own = {"records": len(callback.monitor.records), "stopped": callback.stopped, "count": net.count}
            torch.save({**own, "G": net.G.state_dict()}, folder / f"{made.global_rank}.pt")

    callback = sg.callbacks.Lightning(monitor("stop"))
    made = framework.Trainer(
        max_epochs=8, accelerator="cpu", devices=2, strategy="ddp_fork_find_unused_parameters_true", logger=False,
        callbacks=[callback, Writing()], enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made.fit(module(framework, BROKEN), data())


if __name__ == "__main__":
    both(Path(sys.argv[1]))
