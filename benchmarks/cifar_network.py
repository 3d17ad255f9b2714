"""Trains the network of photographs that comes with the package, and writes its weights and its card.

    python benchmarks/cifar_network.py --data FOLDER [--out FOLDER] [--seed 0] [--epochs 36] [--work FOLDER]

FOLDER: what `data.path` of cifar10 may be: CIFAR-10's own batches, or train.zip and test.zip of image files. It takes
an hour and a quarter of one core. The weights are the average of those of the last steps, whatever they do on the test
images, which are looked at once, at the end. --work: where the state after each epoch is kept, from which the same
command goes on. One seed gives one file on one machine and version of torch; elsewhere rounding differs, and with it
the file.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn, update_bn
from trained import OUT, logits_of, write

from steadygan.data.sets.cifar import LICENCE, cifar10
from steadygan.features import CIFAR, CifarNetwork, folded
from steadygan.features.classifiers import CIFAR_FILTERS, CIFAR_WIDTHS
from steadygan.pixels import to_values

BATCH, PART = 500, 250  # of a step, and what is normalised together
SIDES = (24, 24, 28, 28, 28, 32)  # of crops, a sixth of the epochs each: what is learned first is learned cheaply
SHIFT = 4  # the margin that is added to the images before
HOLE = 8  # the side of a grey square in each crop (cutout, DeVries & Taylor 2017)
RATE, MOMENTUM = 0.12, 0.6  # of the convolutions; both rates fall to 0 in a straight line
OTHERS, BETAS, DECAY = 1e-2, (0.9, 0.99), 0.01
SMOOTHING = 0.1
AVERAGE = 0.99  # per step
PATCHES_OF, LEAST = 5000, 1e-4  # images; the variance below which a direction of patches is not blown up


class Muon(torch.optim.Optimizer):
    """w <- w / |w| sqrt(out) - rate orthogonal(g + momentum m), m <- momentum m + g (Jordan et al. 2024)."""

    def __init__(self, weights: list[nn.Parameter], lr: float, momentum: float) -> None:
        super().__init__(weights, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        for group in self.param_groups:
            for w in group["params"]:
                m = self.state[w].setdefault("momentum", torch.zeros_like(w))
                m.mul_(group["momentum"]).add_(w.grad)
                w.mul_(len(w) ** 0.5 / w.norm())
                w.sub_(group["lr"] * orthogonal(w.grad + group["momentum"] * m))


def orthogonal(g: Tensor) -> Tensor:
    """g (out, ...) with singular values of about 1, as a matrix of `out` rows: five steps of Newton and Schulz."""
    x = g.flatten(1) / g.norm()
    for _ in range(5):
        s = x @ x.T
        x = 3.4445 * x + (2.0315 * s @ s - 4.7750 * s) @ x
    return x.view(g.shape)


def whitening(x: Tensor) -> tuple[Tensor, Tensor]:
    """Weights (24, 3, 2, 2) and biases of the principal directions of x's patches, of variance 1, with either sign."""
    patches = F.unfold(x, 2, stride=1).transpose(1, 2).reshape(-1, 12).double()
    variance, directions = torch.linalg.eigh(torch.cov(patches.T))
    w = (directions / (variance + LEAST).sqrt()).T
    w = torch.cat([w, -w])
    return w.float().view(CIFAR_FILTERS, 3, 2, 2), (-w @ patches.mean(0)).float()


def cropped(images: Tensor, mirrored: Tensor, side: int, draw: torch.Generator) -> Tensor:
    """Values of a square of each of images (n, 3, h, w) uint8 at a random place, with a margin that reflects them, and
    a hole."""
    n = len(images)
    padded = F.pad(images.float(), (SHIFT,) * 4, mode="reflect")
    top, left = torch.randint(0, padded.shape[3] - side + 1, (2, n), generator=draw)
    rows, columns = top[:, None] + torch.arange(side), left[:, None] + torch.arange(side)
    columns = torch.where(mirrored[:, None], columns.flip(1), columns)
    image = torch.arange(n)[:, None, None]
    crops = padded.permute(0, 2, 3, 1)[image, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2) / 127.5 - 1.0
    corner = torch.randint(1 - HOLE, side, (2, n, 1), generator=draw)  # it may reach over the edge
    high, wide = ((corner <= torch.arange(side)) & (torch.arange(side) < corner + HOLE)).unbind()
    return crops.masked_fill((high[:, :, None] & wide[:, None, :])[:, None], 0.0)


def begun(images: Tensor, seed: int) -> CifarNetwork:
    """The network before training: the first layer is what it stays, the others hand on what they are given."""
    torch.manual_seed(seed)
    network = CifarNetwork(normed=True)
    first, *others = [layer for layer in network.body if isinstance(layer, nn.Conv2d)]
    weight, bias = whitening(to_values(images[:: max(1, len(images) // PATCHES_OF)]))
    first.weight.copy_(weight)
    first.bias.copy_(bias)
    for layer in others:
        nn.init.dirac_(layer.weight.data[: layer.in_channels])
    return network


def train(images: Tensor, label: Tensor, epochs: int, seed: int, state: Path | None) -> CifarNetwork:
    """The network after so many epochs on images (n, 3, 32, 32) uint8: weights averaged, batch norm folded."""
    network, size = begun(images, seed), len(images)
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(AVERAGE), use_buffers=True)
    weights = [p for p in network.parameters() if p.requires_grad and p.ndim == 4]
    others = [p for p in network.parameters() if p.requires_grad and p.ndim < 4]
    optimisers = Muon(weights, RATE, MOMENTUM), torch.optim.AdamW(others, OTHERS, BETAS, weight_decay=DECAY)
    steps = size // BATCH
    falling = [LambdaLR(each, lambda step: 1.0 - step / (epochs * steps)) for each in optimisers]
    parts: list[Any] = [network, average, *optimisers, *falling]  # all keep a state
    first = 0
    if state is not None and state.exists():
        first, kept = torch.load(state)
        for part, its in zip(parts, kept, strict=True):
            part.load_state_dict(its)
    odd = torch.rand(size, generator=torch.Generator().manual_seed(seed)) < 0.5
    for epoch in range(first, epochs):
        began, total, right = time.perf_counter(), 0.0, 0
        draw, side = torch.Generator().manual_seed(1000 * seed + epoch + 1), SIDES[epoch * len(SIDES) // epochs]
        mirrored = odd ^ (epoch % 2 == 1)  # every image in every second epoch
        for index in torch.randperm(size, generator=draw).split(BATCH)[:steps]:
            for part in index.split(PART):
                logits = network(cropped(images[part], mirrored[part], side, draw)).logits
                loss = F.cross_entropy(logits, label[part], label_smoothing=SMOOTHING) * (len(part) / BATCH)
                loss.backward()
                total += float(loss.detach())
                right += int((logits.argmax(1) == label[part]).sum())
            for each in parts[2:]:
                each.step()
            network.zero_grad()
            average.update_parameters(network)
        took = time.perf_counter() - began
        print(f"epoch {epoch + 1}: loss {total / steps:.4f}, right {right / size:.2%}, {took:.0f} s", flush=True)
        if state is not None:
            torch.save((epoch + 1, [part.state_dict() for part in parts]), state.with_suffix(".new"))
            state.with_suffix(".new").replace(state)
    order = torch.randperm(size, generator=torch.Generator().manual_seed(seed))  # files come class by class
    update_bn((to_values(images[part]) for part in order.split(1000)), average)  # of images as they are, as at the test
    return folded(average.module)


@torch.no_grad()
def calibrate(network: CifarNetwork, images: Tensor, label: Tensor) -> float:
    """Multiplies the logits by the factor that gives these images the least cross entropy, and returns it.

    With smoothed labels a network never says what it is sure of.
    """
    logits = logits_of(network, images)
    factor = min((k / 100 for k in range(50, 500)), key=lambda k: float(F.cross_entropy(k * logits, label)))
    network.head.weight *= factor
    network.head.bias *= factor
    return factor


def told(given: argparse.Namespace, factor: float, size: int, lossy: bool) -> dict[str, Any]:
    """What the card says of it."""
    widths = ", ".join(map(str, CIFAR_WIDTHS))
    copies = ", JPEG copies of them, as the test images are: not the pixels of the published sets" if lossy else ""
    seed, epochs = given.seed, given.epochs
    return {
        "what": "a classifier of photographs, 32 x 32 colour pixels, that measures generated ones",
        "architecture": f"{CIFAR_FILTERS} fixed filters of 2 x 2; for each of {widths} channels two convolutions "
        "3 x 3, a max pooling by 2 after the first; GELU after each; maximum over places; linear to 10",
        "training": {
            "data": f"CIFAR-10, all {size:,} training images{copies}",
            "command": f"python benchmarks/cifar_network.py --data FOLDER --seed {seed} --epochs {epochs}",
            "seed": seed,
            "epochs": epochs,
            "loss": f"cross entropy, labels smoothed by {SMOOTHING:g}; afterwards the logits times {factor:g}, the "
            "factor of the least cross entropy of every fifth training image",
            "optimiser": f"batch {BATCH}; Muon for the convolutions, rate {RATE:g}, momentum {MOMENTUM:g}; AdamW for "
            f"the rest, rate {OTHERS:g}, weight decay {DECAY:g}; both rates fall linearly to 0",
            "augmentation": f"crops of {', '.join(map(str, SIDES))} pixels, a sixth of the epochs each, from images "
            f"with a reflected margin of {SHIFT} pixels, a grey square of {HOLE} pixels in each; mirrored in every "
            "second epoch",
            "weights": f"exponential average of all steps, {AVERAGE:g} per step; batch norm estimated on the training "
            "images as they are, then folded into the convolutions; rounded to float16; the last epoch, not chosen by "
            "the test images",
            "torch": str(torch.__version__),
            "threads": torch.get_num_threads(),
        },
        "data_licence": LICENCE,
        "data_source": "https://www.cs.toronto.edu/~kriz/cifar.html",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", required=True)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=36)
    parser.add_argument("--work", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)  # the file depends on it
    source = cifar10(given.data)
    if source.label is None or source.held_out is None or source.held_out_label is None:
        parser.error(
            "expected labelled training and test images, got others: give the folder of train.zip and test.zip"
        )
    images = source.read(torch.arange(source.size or 0))
    if given.work is not None:
        given.work.mkdir(parents=True, exist_ok=True)
    network = train(images, source.label, given.epochs, given.seed, given.work and given.work / "cifar_network.pt")
    network.half().float()  # as it is stored
    factor = calibrate(network, images[::5], source.label[::5])
    card = told(given, factor, len(images), bool(source.lossy))
    write(CIFAR, network.half(), source.held_out, source.held_out_label, given.out, **card)


if __name__ == "__main__":
    main()
