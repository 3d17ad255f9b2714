"""Sample differences: D is trained to rate realistic fakes and their nearest real samples alike."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Self

import torch
from torch import Tensor

from ..config.parts import SampleDifferencesSettings
from ..errors import InputError
from ..types import Method, Now, Scored, Term, Terms
from ..types.batch import same_condition
from ..types.parts import Processes
from ..types.taps import module_layers
from .plain import METHODS

TINY = 1e-12  # the least squared norm that features are divided by
DIRECT = 16  # numbers of a sample up to which all differences are formed


@METHODS.register("sample_differences")
@dataclass(frozen=True)
class SampleDifferences(SampleDifferencesSettings, Method):
    """Pulls D's scores and features of the k most realistic fakes and their nearest reals together [zhangsdp].

    L_SDP = sum_i (d(y_i) - d(x_i))^2 + sum_i sum_j ||q_j(y_i) - q_j(x_i)||^2 over the k fakes y_i of the batch with the
    highest d; x_i is the real sample of the batch nearest to y_i (of its class or condition, if there is one; repeats
    are allowed). q_j = p_j / max(||p_j||^2, 1e-12), where p_j is the global maximum over the positions of layer j's
    output, a vector of channels. Both players add weight / k * L_SDP from iteration `start` on, with k = min(batch,
    count + floor(iteration / grow_every)); for G, the reals' scores and features are constants.

    feature_layers: names of sub-modules of D, or `all` for those that end its blocks. Without any, the features that D
    returns are used; if it returns none, only the score term. normalise: "squared" divides p by ||p||^2 as printed,
    "l2" by ||p||, "none" not at all. batch_sum: weight / (k batch) instead of weight / k, the literal reading.
    reuse_batch: G's step uses D's noise and reals. pairs: "again" pairs samples for each player, "once" for both,
    before D's step. Of several processes, each has its part of k and pairs its own samples.
    """

    k: Tensor | None = field(default=None, repr=False)  # () int64: pairs at this step, 0 before `start`
    order: Tensor | None = field(default=None, repr=False)  # (m,) int64: the fakes as D ranked them before its step

    needs_real = True
    compares_samples = True

    def __post_init__(self) -> None:
        if self.k is not None:  # inside of a step, where all is checked
            return
        if isinstance(self.feature_layers, str):
            raise InputError(
                f"sample_differences: expected a list of feature_layers, got the text {self.feature_layers!r}: write "
                f"[{self.feature_layers!r}]"
            )
        super().__post_init__()
        object.__setattr__(self, "feature_layers", tuple(self.feature_layers))

    @property
    def shares_batch(self) -> bool:  # type: ignore[override]
        return self.reuse_batch

    @property
    def layers(self) -> tuple[str, ...]:
        return self.feature_layers

    def on(self, network: Any) -> Self:
        return replace(self, feature_layers=tuple(module_layers(network, self.feature_layers)))

    def among(self, processes: Processes) -> Self:
        few, seldom = max(1, processes.own(self.count)), self.grow_every * processes.world
        return replace(self, count=few, grow_every=seldom)

    def draws_d(self, real: int, fake: int) -> tuple[int, int]:
        if self.count > fake:
            got = f"{self.count}: lower count or raise batch_size"
            raise InputError(f"sample_differences: count must be at most the batch of {fake}, not {got}")
        return real, fake

    def carried(self, real: int, fake: int) -> dict[str, Tensor]:
        return {"order": torch.arange(fake)} if self.pairs == "once" else {}

    def carry(self, real: Scored, fake: Scored) -> dict[str, Tensor]:
        return {"order": ranked(fake.logits)} if self.pairs == "once" else {}

    def at(self, now: Now) -> Self:
        acting = now.iteration >= self.start
        k = acting * (self.count + now.iteration // self.grow_every)
        return replace(self, k=k, order=now.state.get("order"))

    def d_terms(self, critic: Any, real: Scored, fake: Scored) -> Terms:
        return self._terms(real, fake, ranked(fake.logits))

    def g_terms(self, critic: Any, real: Scored | None, fake: Scored) -> Terms:
        if real is None:
            raise TypeError("sample_differences also needs real samples in the generator step")
        return self._terms(real, fake, ranked(fake.logits) if self.order is None else self.order)

    def _terms(self, real: Scored, fake: Scored, chosen: Tensor) -> Terms:
        n = fake.logits.shape[0]
        scores = fake.logits.gather(0, chosen)
        nearest = nearest_real(fake, real)[chosen]
        rank = torch.arange(n, device=scores.device)
        k = torch.as_tensor(self.count if self.k is None else self.k, device=scores.device).clamp(max=n)
        share = (rank < k) * ((1.0 if self.batch_sum else n) / k.clamp(min=1).to(scores.dtype))
        terms = {"score": Term((scores - real.logits[nearest]).square() * share, self.weight)}
        names = [name for name in fake.features if not self.feature_layers or name in self.feature_layers]
        for name in names:
            p, r = pooled(fake.features[name]), pooled(real.features[name])
            apart = self._scaled(p)[chosen] - self._scaled(r)[nearest]
            terms[f"features/{name}"] = Term(apart.square().sum(1) * share, self.weight)
            terms[f"norm/{name}"] = Term(torch.linalg.vector_norm(p.detach(), dim=1), None)
        return terms

    def _scaled(self, p: Tensor) -> Tensor:
        if self.normalise == "none":
            return p
        squared = p.square().sum(1, keepdim=True).clamp_min(TINY)
        return p / (squared if self.normalise == "squared" else squared.sqrt())


def ranked(logits: Tensor) -> Tensor:
    """Indices (n,) of samples, the highest logit first."""
    return logits.topk(logits.shape[0]).indices


def nearest_real(fake: Scored, real: Scored) -> Tensor:
    """Index (m,) of the real sample nearest to each fake by ||x - y||^2, of the fake's class where one came."""
    y, x = fake.batch.x.detach().flatten(1), real.batch.x.detach().flatten(1)
    if y.shape[1] <= DIRECT:
        squared = (y[:, None] - x).square().sum(2)
    else:  # one matrix product; its rounding does not matter among so many numbers
        squared = y.square().sum(1, keepdim=True) - 2.0 * y @ x.T + x.square().sum(1)
    if fake.batch.label is not None and real.batch.label is not None:
        same = fake.batch.label[:, None] == real.batch.label
        squared = torch.where(same | ~same.any(1, keepdim=True), squared, torch.inf)
    alike = same_condition(fake.batch, real.batch, pairs=True)
    if alike is not None:
        squared = torch.where(alike | ~alike.any(1, keepdim=True), squared, torch.inf)
    return squared.argmin(1)


def pooled(features: Tensor) -> Tensor:
    """Global maximum over positions: (n, c, ...) -> (n, c); (n,) is one channel."""
    return features.reshape(features.shape[0], -1) if features.ndim < 3 else features.flatten(2).amax(2)
