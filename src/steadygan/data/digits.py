"""Scikit-learn's embedded handwritten digits: real images without a download."""

from __future__ import annotations

import torch

from .registry import DATA
from .source import Source


@DATA.register("digits")
def digits() -> Source:
    """1,797 handwritten digits of 8 x 8 grey pixels, values in [-1, 1], with their ten classes [alpaydin1998].

    x = pixel / 8 - 1, pixel = 0..16. Every third image (599 of them) is held out, always the same ones: the images come
    in runs of the ten classes, so both parts hold all classes about evenly.
    """
    from sklearn.datasets import load_digits

    pixels, classes = load_digits(return_X_y=True)
    x = torch.from_numpy(pixels).to(torch.float32).view(-1, 1, 8, 8) / 8.0 - 1.0
    label = torch.from_numpy(classes).to(torch.int64)
    held = torch.arange(x.shape[0]) % 3 == 2
    return Source(
        "digits",
        (1, 8, 8),
        train=x[~held],
        label=label[~held],
        held_out=x[held],
        held_out_label=label[held],
        image=True,
        class_names=tuple("0123456789"),
        licence="CC BY 4.0 (UCI Machine Learning Repository, Optical Recognition of Handwritten Digits)",
    )
