"""What a training step of each method costs beside the plain step of the same networks and penalties.

    python benchmarks/methods.py [--pairs 5] [--threads 1] [--json FILE]

dcgan: 32 x 32 x 3, width 32, batch 64, r1 on every discriminator of both sides. The sides take turns in one process,
each with a plain turn of its own beside it; the ratio is the median over the pairs, with the range.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch
from plain import BETAS, DCGAN
from sides import Ours, Way
from step import turn

import steadygan as sg
from steadygan.engine.optim import OptimizerSettings
from steadygan.types import Opponent

ITERATIONS = 6  # in a turn
LAYERS = ("features.1", "features.3", "features.5")  # what comes out of the activations


def trainer(opponents: Callable[[], dict[str, Opponent]], candidates: str | None = None) -> sg.Trainer:
    """The networks of the speed table with these opponents."""
    G, _ = DCGAN.networks(0)
    return sg.Trainer(
        G,
        opponents(),
        DCGAN.images(),
        latent_dim=DCGAN.latent,
        batch_size=DCGAN.batch,
        optimizer=OptimizerSettings(betas=BETAS),
        lr_g=DCGAN.lr,
        ema=None,
        compile="off",
        candidates=candidates,
        evaluator=None,
    )


def critic(seed: int = 0, name: str = "dcgan", **settings: Any) -> torch.nn.Module:
    """A discriminator of the speed table's width."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made: torch.nn.Module = sg.models.DISCRIMINATORS[name](DCGAN.shape, width=DCGAN.width, **settings)
    return made


def judged(method: sg.types.Method | None = None, loss: sg.types.Loss | None = None, **settings: Any) -> Opponent:
    """One discriminator with r1."""
    penalty = sg.penalties.r1(DCGAN.weight)
    return Opponent(critic(**settings), loss or sg.losses.NonSaturating(), (penalty,), method or sg.methods.Plain())


def far() -> dict[str, Opponent]:
    return {"D": judged(sg.methods.FakeAsReal(DCGAN.count, DCGAN.factor))}


def dual(**settings: Any) -> dict[str, Opponent]:
    return {"d1": judged(seed=1, **settings), "d2": judged(loss=sg.losses.Minimax(), seed=2, **settings)}


def paper() -> dict[str, Opponent]:
    """The networks of the dual discriminators, r1 on each."""
    d1 = judged(name="dual", residual=True, minibatch_discrimination=100, norm="none")
    return {"d1": d1, "d2": judged(loss=sg.losses.Minimax(), name="dual", activation="selu", norm="none")}


SIDES: dict[str, tuple[Callable[[], sg.Trainer], str]] = {
    "plain": (lambda: trainer(lambda: {"D": judged()}), "plain"),
    "fake-as-real": (lambda: trainer(far), "plain"),
    "fake-as-real, candidates in bf16": (lambda: trainer(far, "bf16"), "plain"),
    "SDP, the scores": (lambda: trainer(lambda: {"D": judged(sg.methods.SampleDifferences(start=0))}), "plain"),
    "SDP, scores and three layers": (
        lambda: trainer(lambda: {"D": judged(sg.methods.SampleDifferences(start=0, feature_layers=LAYERS))}),
        "plain",
    ),
    "two discriminators": (lambda: trainer(dual), "plain"),
    "plain, the dual paper's D": (lambda: trainer(lambda: {"D": judged(name="dual", norm="none")}), "plain"),
    "the dual paper's two": (lambda: trainer(paper), "plain, the dual paper's D"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    made = {name: Ours([build()], Way(name), None) for name, (build, _) in SIDES.items()}
    for side in made.values():
        side.advance(2)
    rows: list[dict[str, Any]] = []
    for name, (_, beside) in SIDES.items():
        if name == "plain":
            continue
        pairs = [(turn(made[beside], ITERATIONS, 1), turn(made[name], ITERATIONS, 1)) for _ in range(given.pairs)]
        ratios = [own / plain for plain, own in pairs]
        rows.append({"side": name, "beside": beside, "ratio": median(ratios), "range": [min(ratios), max(ratios)]})
        rows[-1]["milliseconds"] = 1e3 * median(own for _, own in pairs)
    print("| | compared with | ms per iteration | times that step (range) |\n| --- | --- | ---: | ---: |")
    for row in rows:
        low, high = row["range"]
        times = f"{row['ratio']:.2f} ({low:.2f}-{high:.2f})"
        print(f"| {row['side']} | {row['beside']} | {row['milliseconds']:.0f} | {times} |")
    if given.json:
        given.json.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
