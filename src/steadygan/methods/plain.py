"""The methods that only change how samples are passed on: plain training, and packing."""

from __future__ import annotations

from dataclasses import dataclass

from ..config.parts import Methods, PackingSettings
from ..errors import InputError
from ..registry import Registry
from ..types import Batch, Method
from ..types.batch import mapped

METHODS: Registry[type[Method]] = Registry(Methods.kinds)


@METHODS.register("plain")
@dataclass(frozen=True)
class Plain(Method):
    """Reals as real, fakes as fake [goodfellow2014]."""


@METHODS.register("packing")
@dataclass(frozen=True)
class Packing(PackingSettings, Method):
    """Shows D `degree` samples of one kind as one, joined along the first axis of a sample [lin2018].

    (n * degree, c, ...) -> (n, degree * c, ...): D's input has degree times the features or channels. Raises
    InputError for samples that do not fill the last pack.
    """

    def raw(self, count: int) -> int:
        return count * self.degree

    def present(self, batch: Batch) -> Batch:
        if self.degree == 1:
            return batch
        n, first, *rest = batch.x.shape
        if n % self.degree:
            got = f"{n}, which leaves {n % self.degree} over: pass {n - n % self.degree or self.degree} of them"
            raise InputError(f"packing: expected samples in packs of {self.degree}, got {got}")
        label = None if batch.label is None else batch.label[:: self.degree]
        given = mapped(lambda leaf: leaf.reshape(n // self.degree, self.degree, *leaf.shape[1:]), batch.given)
        return Batch(batch.x.reshape(n // self.degree, self.degree * first, *rest), label, given)
