"""The other side: runs public code as it was published, and writes down what it says beside ours.

    python tests/peers/theirs.py CODE

CODE is a folder with checkouts of the repositories in `SOURCES`, each under its name. None of their code is kept here:
single functions and classes are taken out of their files and run, as importing these would train or want packages.
Writes numbers.json, which test_peers.py holds us against, and the table of docs/checked-against.md.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from math import prod
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
import torch.nn.functional as F
from ours import (
    CASES,
    FAKE_LOGITS,
    FAKE_POINTS,
    IMAGES,
    MIX,
    NOISE,
    PACK,
    POINTS,
    REAL_LOGITS,
    Figures,
    ImageCritic,
    N,
    Painter,
    PointCritic,
    adam,
    filled,
    gradient,
    seen,
    stepped,
)
from torch import Tensor, autograd, nn

HERE = Path(__file__).parent
NUMBERS, PAGE = HERE / "numbers.json", HERE.parents[1] / "docs" / "checked-against.md"
SOURCES = {  # repository and commit
    "wgan-gp": ("caogang/wgan-gp", "ae47a185ed2e"),
    "GAN_stability": ("LMescheder/GAN_stability", "c1f64c9efeac"),
    "0-GP, its authors'": ("htt210/GeneralizationAndStabilityInGANs", "ed969b49a6cf"),
    "mimicry": ("kwotsin/mimicry", "a7fda06c4aff"),
    "CTGAN": ("sdv-dev/CTGAN", "f4fcd21d96e2"),
    "R3GAN": ("brownvc/R3GAN", "19a7ddf463fb"),
    "stylegan2-pytorch": ("rosinality/stylegan2-pytorch", "bef283a1c240"),
    "RelativisticGAN": ("AlexiaJM/RelativisticGAN", "2646c0b27cfd"),
}


def taken(path: Path, *names: str, **known: Any) -> Any:
    """The functions and classes of these names, as they stand in the file, run with what they know."""
    text = path.read_text()  # not parsed as a whole: some of these files are Python 2
    space = {"torch": torch, "nn": nn, "F": F, "autograd": autograd, **known}
    for name in names:
        found = re.search(rf"^(def|class) {name}\b.*?(?=^\S|\Z)", text, re.MULTILINE | re.DOTALL)
        if found is None:
            raise SystemExit(f"theirs.py: expected {name} in {path}")
        exec(compile(found.group(), str(path), "exec"), space)
    return space[names[0]] if len(names) == 1 else SimpleNamespace(**{name: space[name] for name in names})


@contextmanager
def drawing(mix: Tensor) -> Iterator[None]:
    """torch.rand gives these numbers instead."""

    def rand(*shape: int, **_: object) -> Tensor:
        return mix[: prod(shape)].reshape(shape)

    drawn = torch.rand
    torch.rand = rand  # type: ignore[assignment]
    try:
        yield
    finally:
        torch.rand = drawn


def two(D: nn.Module, loss: Callable[[], tuple[Tensor, Mapping[str, Tensor]]]) -> Figures:
    """Two steps of Adam on what the code's own functions say, put together as its training loop does."""
    optimizer = adam(D)

    def step() -> Figures:
        value, said = loss()
        optimizer.zero_grad()
        value.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return {key: figure.item() for key, figure in said.items()}

    return stepped(D, step)


def both(d: Callable[[Tensor, Tensor], Tensor], g: Callable[[Tensor, Tensor], Tensor], factor: float = 1.0) -> Figures:
    """Two losses of the fixed logits, and their gradients in these, times a factor."""
    figures: Figures = {}
    for player, loss in (("d", d), ("g", g)):
        real, fake = REAL_LOGITS.clone().requires_grad_(), FAKE_LOGITS.clone().requires_grad_()
        value = factor * loss(real, fake)
        value.backward()  # type: ignore[no-untyped-call]
        sides = [torch.zeros(N, dtype=torch.float64) if side.grad is None else side.grad for side in (real, fake)]
        figures |= {f"{player} loss": value.item()}
        figures |= {f"{player} {key}": figure for key, figure in seen(torch.cat(sides)).items()}
    return figures


def made() -> tuple[nn.Module, nn.Module, Tensor]:
    """G, D, and the fakes of a D step."""
    G, D = filled(Painter()), filled(ImageCritic())
    return G, D, G(NOISE).detach()


def wgan_gp(code: Path) -> dict[str, Figures]:
    penalty = taken(code / "gan_toy.py", "calc_gradient_penalty", use_cuda=False, BATCH_SIZE=N, LAMBDA=0.1)
    D = filled(PointCritic())

    def loss() -> tuple[Tensor, Mapping[str, Tensor]]:
        cost = D(FAKE_POINTS).mean() - D(POINTS).mean()
        gp = penalty(D, POINTS, FAKE_POINTS)
        return cost + gp, {"loss": cost, "penalty/one_gp": gp}

    with drawing(MIX):
        return {"D step on points, one_gp": two(D, loss)}


def gan_stability(code: Path) -> dict[str, Figures]:
    names = ("Trainer", "toggle_grad", "compute_grad2")
    Trainer = taken(code / "gan_training/train.py", *names).Trainer
    labels, figures = torch.zeros(N, dtype=torch.int64), {}
    kinds = {"r1": "real", "r1 and r2": "real_fake", "one_gp": "wgangp", "zero_gp": "wgangp0"}
    for name, kind in kinds.items():
        G, D, _ = made()
        trainer = Trainer(G, D, adam(G), adam(D), "standard", kind, 10.0)

        def step(trainer: Any = trainer, name: str = name) -> Figures:
            loss, reg = trainer.discriminator_trainstep(IMAGES.clone(), labels, NOISE)
            return {"loss": loss} if " and " in name else {"loss": loss, f"penalty/{name}": reg}

        with drawing(1.0 - MIX):  # theirs is the share of the fake sample
            figures[f"D step, {name}"] = stepped(D, step)
    G, D, _ = made()
    trainer = Trainer(G, D, adam(G), adam(D), "standard", "real", 10.0)
    figures["G step"] = stepped(G, lambda: {"loss": trainer.generator_trainstep(labels, NOISE)})
    return figures


def zero_gp(code: Path) -> dict[str, Figures]:
    penalty, D = taken(code / "GradientPenaltiesGAN.py", "cal_gradpen", ag=autograd), filled(PointCritic())

    def loss() -> tuple[Tensor, Mapping[str, Tensor]]:
        gp = penalty(D, POINTS, FAKE_POINTS, center=0, LAMBDA=100.0)
        criterion = nn.BCEWithLogitsLoss()
        real, fake = D(POINTS), D(FAKE_POINTS)
        cost = criterion(real, torch.ones_like(real)) + criterion(fake, torch.zeros_like(fake))
        return cost + gp, {"loss": cost, "penalty/zero_gp": gp}

    with drawing(MIX):
        return {"D step on points, zero_gp": two(D, loss)}


def mimicry(code: Path) -> dict[str, Figures]:
    names = ("hinge_loss_dis", "hinge_loss_gen", "minimax_loss_dis", "ns_loss_gen", "wasserstein_loss_dis")
    losses = taken(code / "torch_mimicry/modules/losses.py", *names, "_bce_loss_with_logits")
    base = SimpleNamespace(BaseGenerator=object, BaseDiscriminator=object)
    Base = taken(code / "torch_mimicry/nets/wgan_gp/wgan_gp_base.py", "WGANGPBaseDiscriminator", gan=base)
    _, D, fakes = made()

    def loss() -> tuple[Tensor, Mapping[str, Tensor]]:
        cost = losses.wasserstein_loss_dis(D(IMAGES), D(fakes))
        gp = Base.compute_gradient_penalty_loss(SimpleNamespace(forward=D), IMAGES, fakes, 10.0)
        return cost + gp, {"loss": cost, "penalty/one_gp": gp}

    with drawing(MIX):
        step = two(D, loss)
    return {
        "D step, wasserstein and one_gp": step,
        "hinge": both(lambda x, y: losses.hinge_loss_dis(y, x), lambda _, y: losses.hinge_loss_gen(y)),
        "minimax, nonsaturating": both(
            lambda x, y: losses.minimax_loss_dis(y[:, None], x[:, None]), lambda _, y: losses.ns_loss_gen(y)
        ),
    }


def ctgan(code: Path) -> dict[str, Figures]:
    layers = {name: getattr(nn, name) for name in ("Module", "Linear", "LeakyReLU", "Dropout", "Sequential")}
    Discriminator = taken(code / "ctgan/synthesizers/ctgan.py", "Discriminator", **layers)
    network = filled(PointCritic(PACK))

    def D(x: Tensor) -> Tensor:
        return network(x.view(-1, 2 * PACK))  # type: ignore[no-any-return]

    fakes = FAKE_POINTS.clone().requires_grad_()  # as its generator made them
    with drawing(MIX):
        gp = Discriminator.calc_gradient_penalty(D, POINTS, fakes, "cpu", PACK, 10.0)
    cost = -(D(POINTS).mean() - D(FAKE_POINTS).mean())
    gp.backward(retain_graph=True)
    cost.backward()  # type: ignore[no-untyped-call]
    said = {"loss": cost.item(), "penalty/one_gp": gp.item()}
    return {"gradient of a D of packs, one_gp": said | gradient(network)}


def r3gan(code: Path) -> dict[str, Figures]:
    AdversarialTraining = taken(code / "R3GAN/Trainer.py", "AdversarialTraining")
    figures = {}
    for player in ("D", "G"):
        G, D, _ = made()
        training, trained = AdversarialTraining(G, lambda x, _, D=D: D(x).view(-1)), {"D": D, "G": G}[player]
        optimizer = adam(trained)

        def step(player: str = player, training: Any = training, optimizer: Any = optimizer) -> Figures:
            optimizer.zero_grad()
            if player == "D":
                loss, _, r1, r2 = training.AccumulateDiscriminatorGradients(NOISE, IMAGES, None, Gamma=1.0)
            else:
                loss, _ = training.AccumulateGeneratorGradients(NOISE, IMAGES, None)
            optimizer.step()
            said = {"loss": loss.mean().item()}
            return (
                said
                if player == "G"
                else said | {"penalty/r1": 0.5 * r1.mean().item(), "penalty/r2": 0.5 * r2.mean().item()}
            )

        figures[{"D": "D step, relativistic pairing, r1 and r2", "G": "G step"}[player]] = stepped(trained, step)
    return figures


def stylegan2(code: Path) -> dict[str, Figures]:
    names = ("d_logistic_loss", "d_r1_loss", "g_nonsaturating_loss")
    theirs = taken(code / "train.py", *names, conv2d_gradfix=SimpleNamespace(no_weight_gradients=nullcontext))
    G, D, fakes = made()

    def d_loss() -> tuple[Tensor, Mapping[str, Tensor]]:
        real = IMAGES.clone().requires_grad_()
        said = D(real)
        cost, gp = (
            theirs.d_logistic_loss(said, D(fakes)),
            10.0 / 2 * theirs.d_r1_loss(said, real),
        )  # r1 = 10, every step
        return cost + gp, {"loss": cost, "penalty/r1": gp}

    def g_loss() -> tuple[Tensor, Mapping[str, Tensor]]:
        cost = theirs.g_nonsaturating_loss(filled(ImageCritic())(G(NOISE)))
        return cost, {"loss": cost}

    return {"D step, r1": two(D, d_loss), "G step": two(G, g_loss)}


def relativistic(code: Path) -> dict[str, Figures]:
    """Its losses are statements inside its training loop: those of `loss_D == 6`, D's and G's."""
    lines = (code / "code/GAN_losses_iter.py").read_text().splitlines()
    known = {
        "torch": torch,
        "BCE_stable": nn.BCEWithLogitsLoss(),
        "y": torch.ones(N).double(),
        "y2": torch.zeros(N).double(),
    }

    def said(name: str) -> Callable[[Tensor, Tensor], Tensor]:
        starts = [i for i, line in enumerate(lines) if "param.loss_D == 6" in line]
        (found,) = {
            line.strip() for i in starts for line in lines[i : i + 5] if line.strip().startswith(f"{name} = (BCE")
        }

        def loss(real: Tensor, fake: Tensor) -> Tensor:
            space = {**known, "y_pred": real, "y_pred_fake": fake}
            exec(found, space)
            return space[name]  # type: ignore[return-value]

        return loss

    return {"average": both(said("errD"), said("errG"), factor=2.0)}  # theirs is half of the sum


CODES: Mapping[str, Callable[[Path], dict[str, Figures]]] = {
    "wgan-gp": wgan_gp,
    "GAN_stability": gan_stability,
    "0-GP, its authors'": zero_gp,
    "mimicry": mimicry,
    "CTGAN": ctgan,
    "R3GAN": r3gan,
    "stylegan2-pytorch": stylegan2,
    "RelativisticGAN": relativistic,
}


def apart(ours: Figures, theirs: Figures) -> float:
    """The largest relative difference between figures of one name; theirs may tell fewer."""
    return max(abs(ours[key] - value) / max(abs(value), 1e-300) for key, value in theirs.items())


def table(numbers: Mapping[str, Figures]) -> list[str]:
    """The page's rows: what was compared, the last figure of both sides, and how far apart any two are."""
    rows = ["| code | what | ours | theirs | furthest apart |", "| --- | --- | ---: | ---: | ---: |"]
    for case, theirs in numbers.items():
        code, what = case.split(": ")
        ours, key = CASES[case](), next(key for key in theirs if "penalty" in key or "loss" in key)
        repository, commit = SOURCES[code]
        link = f"[{repository}](https://github.com/{repository}) `{commit}`"
        rows.append(f"| {link} | {what} | {ours[key]:.15g} | {theirs[key]:.15g} | {apart(ours, theirs):.0e} |")
    return rows


def main() -> None:
    if len(sys.argv) != 2:
        raise SystemExit("theirs.py: expected a folder with the checkouts")
    torch.set_default_dtype(torch.float64)
    numbers = {}
    for name, run in CODES.items():
        folder = Path(sys.argv[1]) / SOURCES[name][0].split("/")[1]
        if not folder.is_dir():
            raise SystemExit(f"theirs.py: expected a checkout of {SOURCES[name][0]} in {folder}")
        numbers |= {f"{name}: {what}": figures for what, figures in run(folder).items()}
    NUMBERS.write_text(json.dumps(numbers, indent=1) + "\n")
    before, after = PAGE.read_text().split("<!-- table -->")[0], PAGE.read_text().split("<!-- end -->")[1]
    rows = "\n".join(table(numbers))
    PAGE.write_text(f"{before}<!-- table -->\n{rows}\n<!-- end -->{after}")
    print(rows)


if __name__ == "__main__":
    main()
