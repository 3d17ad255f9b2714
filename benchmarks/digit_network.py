"""Trains the digit network that comes with the package, and writes its weights and its card.

    python benchmarks/digit_network.py --data FOLDER [--out FOLDER] [--seed 0] [--epochs 18] [--hold-out 0]

FOLDER: that of MNIST's four files. The weights are the average of those of the last steps, whatever they do on the test
images, which are looked at once, at the end. --hold-out N: trains without the last N training images and measures the
accuracy on them instead, for trying settings out; writes nothing. One seed gives one file on one machine and version
of torch; elsewhere rounding differs, and with it the file.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn, update_bn
from trained import OUT, accuracy, write

from steadygan.data.sets.mnist import LICENCE, read_mnist
from steadygan.features import DIGITS, DigitNetwork, folded
from steadygan.features.classifiers import DIGIT_LAYERS
from steadygan.pixels import to_values

BATCH, RATE, DECAY = 128, 4e-3, 0.01
AVERAGE = 0.999  # per step
TURN, SCALE, SHEAR, SHIFT = 10.0, 0.1, 0.1, 2.0  # degrees, share, slope, pixels: the most that an image is changed


def moved(x: Tensor, draw: torch.Generator) -> Tensor:
    """Each of x (n, 1, side, side) in [-1, 1] turned, scaled, sheared and shifted at random; what is new is paper."""
    n, side = len(x), x.shape[3]
    u = torch.rand(6, n, generator=draw) * 2.0 - 1.0
    angle = u[0] * math.radians(TURN)
    turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], 1).view(n, 2, 2)
    one = torch.ones(n)
    stretch = torch.stack([one + SCALE * u[1], SHEAR * u[2], 0.0 * one, one + SCALE * u[3]], 1).view(n, 2, 2)
    shift = u[4:].T.unsqueeze(2) * (2.0 * SHIFT / side)
    grid = F.affine_grid(torch.cat([turn @ stretch, shift], 2), list(x.shape), align_corners=False)
    return F.grid_sample(x + 1.0, grid, align_corners=False) - 1.0


def train(images: Tensor, label: Tensor, epochs: int, seed: int) -> DigitNetwork:
    """The network after so many epochs on images (n, 1, 28, 28) uint8: weights averaged, batch norm folded."""
    torch.manual_seed(seed)
    draw = torch.Generator().manual_seed(seed)
    x = to_values(images)
    network = DigitNetwork(normed=True)
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(AVERAGE), use_buffers=True)
    steps = len(x) // BATCH
    opt = torch.optim.AdamW(network.parameters(), weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(opt, RATE, total_steps=epochs * steps)
    for epoch in range(epochs):
        began, total = time.perf_counter(), 0.0
        for index in torch.randperm(len(x), generator=draw).split(BATCH)[:steps]:
            loss = F.cross_entropy(network(moved(x[index], draw)).logits, label[index])
            opt.zero_grad()
            loss.backward()
            opt.step()
            schedule.step()
            average.update_parameters(network)
            total += float(loss.detach())
        print(f"epoch {epoch + 1}: loss {total / steps:.4f}, {time.perf_counter() - began:.0f} s", flush=True)
    update_bn(x.split(1000), average)  # batch norm of images as they are: what will be measured is not moved
    return folded(average.module)


def told(given: argparse.Namespace) -> dict[str, Any]:
    """What the card says of it."""
    convolutions = ", ".join(f"{k} x {k} to {o} channels, stride {s}" for _, o, k, s in DIGIT_LAYERS)
    return {
        "what": "a classifier of handwritten digits, 28 x 28 grey pixels, that measures generated ones",
        "architecture": f"convolutions {convolutions}, each with ReLU; mean over places; linear to 10",
        "training": {
            "data": "MNIST, all 60,000 training images",
            "command": f"python benchmarks/digit_network.py --data FOLDER --seed {given.seed} --epochs {given.epochs}",
            "seed": given.seed,
            "epochs": given.epochs,
            "loss": "cross entropy",
            "optimiser": f"AdamW, batch {BATCH}, one cycle up to {RATE:g}, weight decay {DECAY:g}",
            "augmentation": f"turned up to {TURN:g} degrees, scaled up to {100 * SCALE:g} % along each axis, sheared "
            f"up to {SHEAR:g}, shifted up to {SHIFT:g} pixels",
            "weights": f"exponential average of all steps, {AVERAGE:g} per step; batch norm estimated on the training "
            "images as they are, then folded into the convolutions; the last epoch, not chosen by the test images",
            "torch": str(torch.__version__),
            "threads": torch.get_num_threads(),
        },
        "data_licence": LICENCE,
        "data_source": "http://yann.lecun.com/exdb/mnist/",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", required=True)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=18)
    parser.add_argument("--hold-out", type=int, default=0)
    given = parser.parse_args()
    torch.set_num_threads(1)  # the file depends on it
    digits = read_mnist(given.data)
    held, images = given.hold_out, digits.train.unsqueeze(1)
    if held:
        network = train(images[:-held], digits.label[:-held], given.epochs, given.seed)
        print(f"held-out training images: {accuracy(network, images[-held:], digits.label[-held:]):.2%}")
        return
    network = train(images, digits.label, given.epochs, given.seed)
    write(DIGITS, network, digits.test.unsqueeze(1), digits.test_label, given.out, **told(given))


if __name__ == "__main__":
    main()
