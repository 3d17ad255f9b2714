"""A packaged network that was trained: how often it is right, and its two files beside the package's code."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

import steadygan
from steadygan.features import PackagedNetwork
from steadygan.features.classifiers import Classifier
from steadygan.pixels import to_values

OUT = Path(steadygan.__file__).parent / "features"


@torch.no_grad()
def logits_of(network: Classifier, images: Tensor) -> Tensor:
    """Of uint8 images (n, channels, height, width): (n, classes)."""
    return torch.cat([network(to_values(part)).logits for part in images.split(250)])


def accuracy(network: Classifier, images: Tensor, label: Tensor) -> float:
    """Share of uint8 images (n, channels, height, width) that are told right."""
    return float((logits_of(network, images).argmax(1) == label).double().mean())


def write(
    packaged: PackagedNetwork, network: Classifier, images: Tensor, label: Tensor, out: Path, **told: Any
) -> None:
    """The weights, in their dtype, and the card with what is told of them and how they do on the test images."""
    weights = save({name: value.contiguous() for name, value in network.state_dict().items()}, {"format": "pt"})
    network.float()
    card = told | {
        "input": f"x = pixel / 127.5 - 1, (n, {', '.join(map(str, packaged.shape))})",
        "features": network.head.in_features,
        "parameters": sum(p.numel() for p in network.parameters()),
        "accuracy": accuracy(network, images, label),
        "test_images": len(images),
        "sha256": sha256(weights).hexdigest(),
        "licence": "Apache-2.0",
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / f"{packaged.name}.safetensors").write_bytes(weights)
    (out / f"{packaged.name}.json").write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{card['accuracy']:.2%} of {len(images):,} test images, {len(weights):,} bytes in {out}")
