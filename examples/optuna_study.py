"""A search for rates with Optuna, in which the verdict prunes: a trial that collapses is not trained to its end.

Run: pip install optuna, then: python optuna_study.py [--trials 12] [--iterations 3000] [--first 0.02]

Each trial trains a GAN on eight Gaussians on a circle with other learning rates. At every look its quality is reported,
so that Optuna's own pruner compares trials; an alarm of the monitor ends a trial at once, whatever the others do.
"""

import argparse
import math
import sys
from typing import Any

import torch
from torch import nn

import steadygan as sg
from steadygan.errors import CollapseError, NonFiniteError

try:
    import optuna  # type: ignore[import-not-found, unused-ignore]
except ImportError:
    sys.exit("this example needs Optuna: pip install optuna")

parser = argparse.ArgumentParser()
parser.add_argument("--trials", type=int, default=12)
parser.add_argument("--iterations", type=int, default=3000)
parser.add_argument("--first", type=float, nargs="*", default=[0.02], help="rates of D to try first")
options = parser.parse_args()
torch.set_num_threads(1)
optuna.logging.set_verbosity(optuna.logging.WARNING)

generator = torch.Generator().manual_seed(0)
angles = torch.arange(8) * (2 * math.pi / 8)
centres = 2 / 1.414 * torch.stack([angles.cos(), angles.sin()], 1)
DATA = centres[torch.randint(8, (20_000,), generator=generator)]
DATA = DATA + 0.02 / 1.414 * torch.randn(len(DATA), 2, generator=generator)


def mlp(outputs: int) -> nn.Sequential:
    hidden = [layer for i in (2, 64, 64) for layer in (nn.Linear(i, 64), nn.LeakyReLU(0.2))]
    return nn.Sequential(*hidden, nn.Linear(64, outputs))


def objective(trial: Any) -> float:
    """The quality at the end, from 0 to 1."""

    def report(_: sg.Run, iteration: int, record: dict[str, Any]) -> None:
        if "average_quality" not in record or record.get("final"):
            return
        trial.set_user_attr("iterations", iteration)
        trial.report(record["average_quality"], iteration)
        if trial.should_prune():
            raise optuna.TrialPruned("behind the other trials")

    torch.manual_seed(0)
    trainer = sg.Trainer(
        mlp(2),
        mlp(1),
        DATA,
        latent_dim=2,
        lr_g=trial.suggest_float("lr_g", 1e-4, 1e-2, log=True),
        lr_d=trial.suggest_float("lr_d", 1e-4, 1e-1, log=True),
        log_every=100,
        evaluator=None,
        compile="off",
        monitor=sg.CollapseMonitor(policy="stop"),
        callbacks=[report],
    )
    try:
        run = trainer.fit(options.iterations, progress=False)
    except (CollapseError, NonFiniteError) as alarm:
        trial.set_user_attr("verdict", str(alarm))
        raise optuna.TrialPruned(str(alarm)) from None
    return float(run.metrics[-1]["average_quality"])


def told(_: Any, trial: Any) -> None:
    """One line for each trial, as it ends."""
    rates = ", ".join(f"{name} {value:.2g}" for name, value in trial.params.items())
    behind = f"iteration {trial.user_attrs.get('iterations', 0):,}: behind the others"
    ended = f"quality {trial.value:.3f}" if trial.state.name == "COMPLETE" else behind
    print(f"{trial.number:3} {rates}: {trial.user_attrs.get('verdict', ended)}", flush=True)


study = optuna.create_study(
    direction="maximize",
    sampler=optuna.samplers.TPESampler(seed=0),
    pruner=optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=1000),
)
for rate in options.first:
    study.enqueue_trial({"lr_g": 1e-3, "lr_d": rate}, skip_if_exists=True)
study.optimize(objective, n_trials=options.trials, callbacks=[told])

done = sum(trial.user_attrs.get("iterations", 0) for trial in study.trials)
print(f"{done:,} of {len(study.trials) * options.iterations:,} iterations trained")
if any(trial.state.name == "COMPLETE" for trial in study.trials):
    print(f"best: trial {study.best_trial.number}")
