"""Runs small enough to be repeated dozens of times, and comparisons of all their bits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import steadygan as sg
from known import F64, normal
from steadygan.diagnostics.states import Thresholds
from steadygan.engine.needs import BLOCK
from steadygan.runs import checkpoint
from steadygan.runs.folder import RunFolder
from steadygan.runs.run import Run

N = 8  # batch size
NONE = Thresholds(sure=1e9, least=10**9)  # no loss is sure, no pause too long: runs as small as these are no real GANs
# nothing but the loss of nearly all that a run had is an alarm
LOSS = replace(NONE, sure=4.0, part=0.98, crash=0.02, little=0.01)
Build = Callable[[], nn.Module]


class Spread:
    """An evaluator that costs nothing."""

    n = 32
    protocol = "standard deviation of 32 samples"

    def __call__(self, samples: Tensor) -> dict[str, float]:
        return {"spread": float(samples.std())}


def built(seed: int, *builds: Build) -> tuple[nn.Module, ...]:
    """Modules whose first weights depend on `seed` alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return tuple(build() for build in builds)


def small_g(latent: int = 2, out: int = 2) -> nn.Module:
    return nn.Sequential(nn.Linear(latent, 5), nn.Tanh(), nn.Linear(5, out))


def small_d(features: int = 2) -> nn.Module:
    return nn.Sequential(nn.Linear(features, 5), nn.LeakyReLU(0.2), nn.Linear(5, 1))


def networks(seed: int = 0, g: Build = small_g, d: Build = small_d) -> tuple[nn.Module, nn.Module]:
    G, D = built(seed, g, d)
    return G, D


def points(n: int = 50, dim: int = 2) -> Tensor:
    """A finite data set whose size is no multiple of the batch."""
    return normal(7, n, dim, dtype=torch.float32) + 1.0


def trainer(out: Path | None = None, **settings: Any) -> sg.Trainer:
    """A trainer of fresh networks with the same first weights each time; `settings` replace what is set here."""
    if "G" not in settings or "D" not in settings:
        G, D = networks()
        settings = {"G": G, "D": D} | settings
    settings = {
        "data": points(),
        "latent_dim": None if "latent" in settings else 2,
        "batch_size": N,
        "lr_g": 1e-2,
        "ema": 0.9,
        "seed": 3,
        "device": "cpu",
        "evaluator": Spread(),
        "log_every": 20,
        "evaluate_every": 50,
        "checkpoint_every": 70,
        "monitor": sg.CollapseMonitor(thresholds=NONE),
        "out": out,
    } | settings
    return sg.Trainer(settings.pop("G"), settings.pop("D"), settings.pop("data"), **settings)


def ring(**settings: Any) -> sg.Trainer:
    """Unlimited data."""
    return trainer(data=sg.data.DATA["ring8"](), **settings)


def state(trained: sg.Trainer) -> Any:
    """Everything the next iteration depends on, as `fit` left it."""
    assert trained.session.ready
    found = trained.session.members[0].state()
    return found._replace(random={**found.random, **(trained.session._random or {})})


def next_draws(trained: sg.Trainer) -> list[Any]:
    """What the iterations after the last one would be given, from two blocks; the run is left as it was."""
    assert trained.session.ready
    done, draws = trained.session.iteration, trained.session.members[0].draws
    start = draws.beginning(done // BLOCK)
    block = draws.block(done // BLOCK)
    rest = [*(block[i] for i in range(done % BLOCK, BLOCK)), *draws.block(done // BLOCK + 1)]
    draws.restore(start)
    return rest


def saved(out: Path) -> Any:
    """The newest checkpoint's content."""
    newest = RunFolder(out).newest
    assert newest is not None
    return checkpoint.read(newest)


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """(where, leaf) of nested mappings, tuples and lists."""
    if isinstance(value, Mapping):
        for key in value:
            yield from leaves(value[key], f"{path}.{key}")
    elif isinstance(value, Sequence) and not isinstance(value, str):
        names = getattr(value, "_fields", range(len(value)))
        for name, item in zip(names, value, strict=True):
            yield from leaves(item, f"{path}.{name}")
    else:
        yield path, value


def assert_same(a: Any, b: Any) -> None:
    """Bit for bit the same nested values, dtypes and places."""
    left, right = dict(leaves(a)), dict(leaves(b))
    assert left.keys() == right.keys()
    for path, value in left.items():
        other = right[path]
        if isinstance(value, Tensor):
            assert value.dtype == other.dtype, path
            assert torch.equal(value, other), path
        else:
            assert value == other, path


def differs(a: Any, b: Any) -> bool:
    """Whether any bit differs."""
    try:
        assert_same(a, b)
    except AssertionError:
        return True
    return False


def weights(*modules: nn.Module) -> list[dict[str, Tensor]]:
    """Copies of parameters and buffers."""
    return [{key: value.clone() for key, value in module.state_dict().items()} for module in modules]


def double(*modules: nn.Module) -> tuple[nn.Module, ...]:
    return tuple(module.to(F64) for module in modules)


def assert_same_run(there: tuple[sg.Trainer, Run], here: tuple[sg.Trainer, Run]) -> None:
    """Weights, buffers, average, optimisers, parts, generators, statistics; records; samples; the draws to come."""
    (a, run_a), (b, run_b) = there, here
    assert_same(state(b), state(a))
    assert run_b.metrics == run_a.metrics
    for kind in ("ema", "live"):
        assert torch.equal(run_b.sample(40, 7, weights=kind), run_a.sample(40, 7, weights=kind))
    if run_a.path is not None and run_b.path is not None:
        assert (run_b.path / "metrics.jsonl").read_text() == (run_a.path / "metrics.jsonl").read_text()
        assert_same(saved(run_b.path)["state"], saved(run_a.path)["state"])
        shots = [sorted((run.path / "samples").iterdir()) for run in (run_a, run_b)]
        assert [p.name for p in shots[0]] == [p.name for p in shots[1]]
    assert_same(next_draws(b), next_draws(a))


def said(run: Run) -> list[str]:
    """What a run had to say, the monitor's warnings aside: runs as small as these are full of them."""
    return [event for event in run.events if ": warning: " not in event]


def wide(seed: int = 0) -> dict[str, Any]:
    """Networks of which G begins where the data are: it has something to lose."""
    G, D = networks(seed)
    with torch.no_grad():
        G[2].weight.mul_(4.0)  # type: ignore[index, operator, union-attr]
        G[2].bias.fill_(1.0)  # type: ignore[index, operator, union-attr]
    return {"G": G, "D": D}
