"""Cramer GAN: a critic that compares with more fakes, and a generator that minimises an energy distance."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ..config.parts import CramerSettings
from ..losses import cycled
from ..models.layers import safe_sqrt
from ..types import Batch, Critic, DBatch, Method, Output, Scored, Term, Terms
from ..types.critic import Forward
from .plain import METHODS


@METHODS.register("cramer")
@dataclass(frozen=True)
class Cramer(CramerSettings, Method):
    """Trains on the energy distance between embeddings h of reals and of two halves of the fakes [bellemare2017].

    With y and y' independent fakes: d(v) = ||h(v) - h(y')|| - ||h(v)||, D minimises E d(y) - E d(x), and G minimises E
    ||h(x) - h(y)|| + ||h(x) - h(y')|| - ||h(y) - h(y')||. h is D's feature named h, (n, e); without one, the logit is
    used as a one-dimensional h. For penalties the critic is d, with gradients through h(y') as well; the paper uses
    one_gp(10). Both steps draw twice the fakes. It replaces the loss: use it with `losses.Nothing()`.
    """

    needs_real = True
    replaces_loss = True
    single = True

    def draws_d(self, real: int, fake: int) -> tuple[int, int]:
        return real, 2 * fake

    def draws_g(self, real: int, fake: int) -> tuple[int, int]:
        return real, 2 * fake

    def edit(self, real: Batch, fake: Batch, critic: Critic) -> DBatch:
        first, second = fake.split(fake.size // 2, fake.size - fake.size // 2)
        return DBatch(real, first, second)

    def critic(self, critic: Critic, held: Batch | None) -> Critic:
        if held is None:
            return critic
        against = embedding(critic(held))  # once: reals, fakes and penalties are all measured against it

        def measured(forward: Forward) -> Forward:
            def run(batch: Batch) -> Output:
                output = forward(batch)
                h = embedding(output)
                other = cycled(against, h.shape[0])  # not a constant: a penalty would push h away from it without end
                return Output(length(h - other) - length(h), output.features)

            return run

        return critic.wrap(measured)

    def d_terms(self, critic: Critic, real: Scored, fake: Scored) -> Terms:
        return {"loss/real": Term(-real.logits), "loss/fake": Term(fake.logits)}

    def g_terms(self, critic: Critic, real: Scored | None, fake: Scored) -> Terms:
        if real is None:
            raise TypeError("cramer also needs real samples in the generator step")
        h = embedding(Output(fake.logits, fake.features))
        m = h.shape[0] // 2
        first, second = h[:m], h[m : 2 * m]
        x = cycled(embedding(Output(real.logits, real.features)), max(m, real.logits.shape[0]))
        first, second = cycled(first, x.shape[0]), cycled(second, x.shape[0])
        return {"loss/energy": Term(length(x - first) + length(x - second) - length(first - second))}


def embedding(output: Output) -> Tensor:
    """D's feature h (n, e), or its logits as (n, 1)."""
    h = output.features.get("h")
    return output.logits.unsqueeze(1) if h is None else h.flatten(1)


def length(h: Tensor) -> Tensor:
    """||h_i|| for each row of h (n, e), with slope 0 at 0."""
    return safe_sqrt(h.square().sum(1))
