"""A library leaves its host as it found it, however training ends."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable
from contextlib import nullcontext, suppress
from typing import Any

import numpy as np
import pytest
import torch
from test_nonfinite import breaking
from test_signals import send
from torch import nn

import steadygan as sg
from steadygan.errors import InputError, Interrupted, NonFiniteError
from tiny import built, networks, points, ring, small_g, trainer


def host(*modules: nn.Module) -> list[Any]:
    """Everything of the host that training might touch."""
    found: list[Any] = [
        torch.get_rng_state().tolist(),
        np.random.get_state()[1].tolist(),  # noqa: NPY002
        random.getstate(),
        torch.get_num_threads(),
        torch.get_num_interop_threads(),
        torch.get_default_dtype(),
        torch.is_grad_enabled(),
        torch.are_deterministic_algorithms_enabled(),
        torch.get_float32_matmul_precision(),
        signal.getsignal(signal.SIGINT),
        signal.getsignal(signal.SIGTERM),
        np.geterr(),
    ]
    for module in modules:
        found.append([(name, part.training) for name, part in module.named_modules()])
        found.append([(name, p.requires_grad, p.grad) for name, p in module.named_parameters()])
        found.append([(len(part._forward_hooks), len(part._forward_pre_hooks)) for part in module.modules()])
    return found


def mixed() -> dict[str, nn.Module]:
    """Networks whose flags are not all alike."""
    G, D = built(
        0,
        lambda: nn.Sequential(nn.Linear(2, 5), nn.BatchNorm1d(5), nn.Dropout(0.2), nn.Linear(5, 2)),
        lambda: nn.Sequential(nn.Linear(2, 5), nn.ReLU(), nn.Linear(5, 1)),
    )
    G[2].eval()
    D.eval()
    G[0].bias.requires_grad_(False)
    D[0].weight.requires_grad_(False)
    return {"G": G, "D": D}


def raising(at: int) -> Callable[..., None]:
    def callback(run: object, iteration: int, record: object) -> None:
        if iteration == at:
            raise ZeroDivisionError("the callback's own")

    return callback


def interrupting(run: object, iteration: int, record: object) -> None:
    if iteration == 8:
        send(signal.SIGINT)


def failing(samples: torch.Tensor) -> dict[str, float]:
    raise OSError("the evaluator's own")


ENDINGS: dict[str, tuple[type[BaseException] | None, Callable[[], dict[str, Any]]]] = {
    "well": (None, dict),
    "by a callback at the start": (ZeroDivisionError, lambda: {"callbacks": [raising(0)]}),
    "by a callback": (ZeroDivisionError, lambda: {"callbacks": [raising(8)]}),
    "by a signal": (Interrupted, lambda: {"callbacks": [interrupting]}),
    "by an evaluator": (OSError, lambda: {"evaluator": failing}),
    "not finite": (NonFiniteError, lambda: breaking(7)),
    "of the wrong shape": (InputError, lambda: {**mixed(), "G": small_g(2, 3)}),
    "of the wrong logits": (InputError, lambda: {**mixed(), "D": nn.Sequential(nn.Linear(2, 2), nn.Flatten(0))}),
}


@pytest.mark.parametrize(("ending", "folder"), [*((name, True) for name in ENDINGS), ("by a signal", False)])
def test_is_as_found_after_a_run_that_ends(tmp_path, ending, folder):
    error, settings = ENDINGS[ending]
    chosen = mixed() | settings()
    torch.manual_seed(77)
    before = host(chosen["G"], chosen["D"])
    made = trainer(tmp_path if folder else None, log_every=4, evaluate_every=8, **chosen)
    assert host(chosen["G"], chosen["D"]) == before
    with nullcontext() if error is None else pytest.raises(error):
        made.fit(10)
    assert host(chosen["G"], chosen["D"]) == before
    with nullcontext() if error is None else suppress(error):  # going on, which may now end well
        made.fit(16)
    assert host(chosen["G"], chosen["D"]) == before


def test_threads_are_the_runs_while_it_trains():
    before, seen = host(), []
    trainer(threads=2, callbacks=[lambda *_: seen.append(torch.get_num_threads())]).fit(2)
    assert seen == [2, 2]
    assert host() == before


def test_is_as_found_with_the_evaluator_that_fits_the_data(tmp_path):
    before = host()
    ring(out=tmp_path, evaluator="auto", evaluate_n=60).fit(50).sample(5)
    assert host() == before


def test_is_as_found_with_figures(tmp_path, drawn_figures):
    import matplotlib

    before, backend = host(), matplotlib.get_backend()
    trainer(tmp_path).fit(40)
    assert {p.name for p in (tmp_path / "figures").iterdir()} >= {"losses.png", "gradients.png", "evolution.png"}
    assert host() == before
    assert matplotlib.get_backend() == backend


def test_grad_mode_and_default_dtype_of_the_host_do_not_matter():
    plain = trainer().fit(20)
    torch.set_default_dtype(torch.float64)
    try:
        with torch.no_grad():
            G, D = (network.to(torch.float32) for network in networks64())
            run = trainer(G=G, D=D).fit(20)
            assert not torch.is_grad_enabled()
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
    assert run.metrics == plain.metrics
    assert torch.equal(run.sample(5), plain.sample(5))


def networks64() -> tuple[nn.Module, nn.Module]:
    """The usual first weights, whatever the default dtype."""
    torch.set_default_dtype(torch.float32)
    made = networks()
    torch.set_default_dtype(torch.float64)
    return made


MODES = {
    "autocast": lambda: torch.autocast("cpu"),
    "inference mode": torch.inference_mode,
    "anomalies": torch.autograd.detect_anomaly,
    "another device": lambda: torch.device("meta"),
}


@pytest.mark.filterwarnings("ignore:Anomaly Detection")
@pytest.mark.parametrize("mode", MODES)
def test_modes_of_the_host_do_not_matter(mode):
    """They are left while we work, and stand again afterwards: every number is what it is without them."""
    x = points(100)

    def made(seed=0):
        with torch.inference_mode(False), torch.device("cpu"):
            return dict(zip("GD", networks(seed), strict=True))

    def numbers():
        run = trainer(**made(), data=x, penalties=[sg.penalties.r1(0.1)]).fit(20)
        seeds = sg.Seeds(lambda seed: trainer(**made(seed), data=x, seed=seed), 2).fit(20)
        figures = sg.diagnose(**made(), data=x, latent_dim=2).plain(), sg.evaluate(x + 0.1, x).figures
        return [run.metrics, *(run.metrics for run in seeds), run.sample(5).tolist(), *figures]

    plain = numbers()
    with MODES[mode]():
        assert numbers() == plain
        assert torch.is_inference_mode_enabled() == (mode == "inference mode")
        assert torch.is_autocast_enabled("cpu") == (mode == "autocast")


def test_what_was_made_in_inference_mode():
    """Data may be; weights may not, as nothing can be done about them."""
    plain = trainer().fit(20)
    with torch.inference_mode():
        x, made = points(), {"inference_mode": networks()}
    with torch.device("meta"):
        made["meta"] = networks()
    assert trainer(data=x).fit(20).metrics == plain.metrics
    for told, (G, D) in made.items():
        with pytest.raises(
            InputError, match=f"[DG] was created under .*{told}.*, and cannot be trained: create it outside"
        ):
            trainer(G=G, D=D)


def test_the_hosts_generators_do_not_matter():
    runs = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        random.seed(seed)
        runs.append(trainer(**mixed()).fit(30))
    assert runs[0].metrics == runs[1].metrics
    assert torch.equal(runs[0].sample(5), runs[1].sample(5))


def test_gradients_left_on_the_modules_do_not_count():
    """And those of parameters that are not trained are not ours to remove."""
    runs = []
    for left in (None, 100.0):
        chosen = mixed()
        made = trainer(**chosen)
        for until in (10, 20):
            for network in chosen.values():
                for parameter in network.parameters():
                    parameter.grad = None if left is None else torch.full_like(parameter, left)
            run = made.fit(until)
            assert (chosen["G"][0].bias.grad is None) == (left is None)
            assert chosen["G"][3].weight.grad is None
        runs.append(run)
    assert runs[0].metrics == runs[1].metrics
    assert torch.equal(runs[0].sample(5, weights="live"), runs[1].sample(5, weights="live"))
