"""Denoising feature matching: the generator follows a denoiser of D's features of real data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import torch
from torch import Tensor

from ..config.parts import DenoisingFeatureMatchingSettings
from ..errors import InputError, check_whole
from ..types import Critic, Draw, Method, Now, Scored, Term, Terms
from ..types.critic import auxiliaries_of
from .plain import METHODS

DENOISER = "denoiser"


@METHODS.register("denoising_feature_matching")
@dataclass(frozen=True)
class DenoisingFeatureMatching(DenoisingFeatureMatchingSettings, Method):
    """Moves fakes' features towards what a denoiser of real features makes of them [wardefarley2017].

    With h D's feature named h, r the denoiser, sg the stop-gradient, n ~ N(0, 1) and means over batch and features:
    L_r = E (r(sg h(x) + n) - sg h(x))^2 trains r, beside D and by its optimiser, without a gradient to D;
    L_G gains weight * E (h(y) - sg r(h(y)))^2, r in eval mode and without noise.

    D must return (logits, {"h": h}) and provide r as the sub-module `denoiser`, named in its attribute `auxiliaries`
    (the discriminators mlp and dcgan do with denoiser=width). features: the size of h; taken from D's attribute
    `features` where there is one. Raises InputError when D has no denoiser, or returns no feature h.
    """

    features: int | None = field(default=None, repr=False)
    n: Tensor | None = field(default=None, repr=False)  # (real, features), the noise of this step

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.features is not None:
            check_whole("denoising_feature_matching: features", self.features, 1)

    def on(self, network: Any) -> Self:
        if DENOISER not in auxiliaries_of(network):
            raise InputError(
                "denoising_feature_matching: expected a D with a denoiser of its features, got one without: set "
                "discriminator.denoiser=128, or give D a sub-module `denoiser` and auxiliaries = ('denoiser',)"
            )
        features = self.features or getattr(network, "features", None)
        if not isinstance(features, int):
            raise InputError(
                "denoising_feature_matching: expected the number of D's features, got none: pass features="
            )
        return replace(self, features=features)

    def noise(self, real: int, fake: int, shape: tuple[int, ...]) -> Mapping[str, Draw]:
        return {} if self.features is None else {"n": Draw((real, self.features), "normal")}

    def at(self, now: Now) -> Self:
        return replace(self, n=now.noise.get("n"))

    def d_terms(self, critic: Critic, real: Scored, fake: Scored) -> Terms:
        h = features_of(real).detach()
        n = torch.randn_like(h) if self.n is None else self.n[: h.shape[0]]
        return {"denoise": Term((critic.auxiliaries[DENOISER](h + n, True) - h).square().mean(1))}

    def g_terms(self, critic: Critic, real: Scored | None, fake: Scored) -> Terms:
        h = features_of(fake)
        goal = critic.auxiliaries[DENOISER](h.detach(), False).detach()
        return {"match": Term((h - goal).square().mean(1), self.weight)}


def features_of(scored: Scored) -> Tensor:
    """D's feature h as (n, features); raises InputError where there is none."""
    h = scored.features.get("h")
    if h is None:
        raise InputError(
            "denoising_feature_matching: expected a feature h of D, got none: return (logits, {'h': h}) from D"
        )
    return h.flatten(1)
