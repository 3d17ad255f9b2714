"""A model card in the form that the Hugging Face Hub reads: what an export is, from what, for what, and how good."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..quantities import LABELS, counted, words

MARK = "library_name: steadygan"
INTENDED = (
    "For research on generative adversarial networks: to draw samples, to compare methods and figures, and to begin "
    "other trainings from these weights. Not for decisions about people, nor for samples that are passed off as real "
    "data."
)
LIMITS = (
    "Samples follow the training data, with its gaps and its bias, and can repeat single training samples: do not use "
    "a generator of data that must not be shown. What the figures do not measure has not been measured. Their best "
    "values stand beside the final ones because the best alone would hide a collapse; the weights are those of the end."
)


def model_card(card: Mapping[str, Any], verdict: str = "", causes: str = "", reason: str = "") -> str:
    """README.md for an export with this card.json; verdict, causes and reason are those of the run's last look."""
    image = card["output"]["kind"].startswith("images")
    data = card["data"]
    head = {
        "license": "other",
        "license_name": "that-of-the-training-data",
        "pipeline_tag": "unconditional-image-generation" if image and card["classes"] is None else None,
        "tags": ["gan", "pytorch", *(["image-generation"] if image else []), str(card["name"]).replace("/", "-")],
        "datasets": [data["name"]] if data["name"] in ("mnist", "cifar10", "cifar100") else None,
    }
    front = [f"{key}: {json.dumps(value)}" for key, value in head.items() if value is not None]
    kept = "Average of the weights" if card["weights"] == "ema" else "Weights"
    dim, shape = card["latent"]["dim"], " x ".join(map(str, card["output"]["shape"]))
    asks = f"normal latents of {dim} dimensions" if dim else "conditions"
    asks += "" if card["classes"] is None else f" and one of {card['classes']['count']} classes"
    return "\n".join(
        [
            *("---", MARK, *front, "---", ""),
            f"# {card['name']}",
            "",
            f"A GAN's generator: {card['parameters']:,} parameters, from {asks} to {card['output']['kind']} of "
            f"{shape}. {kept} after {card['iteration']:,} iterations, trained by steadygan {card['steadygan']}.",
            *("", "## Use", "", "In Python, without the run:", ""),
            *("```python", *card["load"], "```", ""),
            "`generator.safetensors` holds the weights, `card.json` all settings.",
            *("", "## Data and licence", "", *_data(data)),
            *("", "## Figures", "", *_figures(card["metrics"]), *_judged(verdict, causes, reason)),
            *("", "## Intended use", "", INTENDED, "", "## Limits", "", LIMITS, ""),
        ]
    )


def _data(data: Mapping[str, Any]) -> list[str]:
    """What it was trained on, and who may do what with that."""
    size = "unlimited samples" if data["size"] is None else f"{data['size']:,} samples"
    licence = data["licence"] or "not known: say here what holds before you publish this"
    return [
        f"Trained on {size} of {data['name']}. Licence of the data: {licence}.",
        "",
        "What may be done with samples and weights depends on the data; nothing is granted here beyond it.",
    ]


def _figures(metrics: Mapping[str, Any]) -> list[str]:
    """Each figure at the end and at its best, and how they were measured."""
    if not metrics["figures"]:
        return ["None were measured."]
    rows = [
        f"| {LABELS.get(key, key)} | {_shown(key, told['final']['value'])} | {_shown(key, told['best']['value'])} | "
        f"{told['best']['iteration']:,} |"
        for key, told in metrics["figures"].items()
    ]
    protocol = metrics["protocol"]
    told = protocol if isinstance(protocol, str) else json.dumps(protocol, ensure_ascii=False)
    return ["| figure | final | best | at iteration |", "| --- | --- | --- | --- |", *rows, "", f"Protocol: {told}"]


def _shown(key: str, value: float | str) -> str:
    return value if isinstance(value, str) else counted(key, value, None)


def _judged(verdict: str, causes: str, reason: str) -> list[str]:
    """What the monitor said last."""
    return ["", f"The monitor's last verdict: {words(verdict, causes)}. {reason}".rstrip()] if verdict else []
