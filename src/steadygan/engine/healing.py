"""Going back to where a run was healthy: what was done is kept beside the run, and done again when it is resumed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, is_dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ..diagnostics.remedy import Remedy
from ..errors import InputError
from ..methods import FakeAsReal, Plain, chain
from ..penalties import r1
from ..types import Opponent, Penalty
from .folder import RunFolder, write_text
from .needs import Needs
from .opponents import ready
from .setup import Setup


@dataclass(frozen=True)
class Intervention:
    """One roll-back: seen at `iteration`, gone back to `to`."""

    iteration: int
    to: int
    verdict: str
    reason: str
    remedy: Remedy

    @property
    def told(self) -> str:
        """In words, without the iteration at which it was seen."""
        changed = f", {self.remedy.told}" if self.remedy.told else ""
        return f"{self.verdict.replace('_', ' ')}: rolled back to iteration {self.to}{changed}"


def interventions(folder: RunFolder) -> list[Intervention]:
    """Those of a run so far; raises InputError where the file cannot be read."""
    if not folder.interventions.exists():
        return []
    try:
        content = json.loads(folder.interventions.read_text(encoding="utf-8"))
        return [Intervention(**{**each, "remedy": Remedy.read(each["remedy"])}) for each in content]
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(
            f"{folder.interventions} is not a readable list of roll-backs ({type(error).__name__}): start the run anew"
        ) from None


def note(folder: RunFolder, done: Sequence[Intervention]) -> None:
    """Writes all of them down, in one piece."""
    told = [{**vars(each), "remedy": each.remedy.plain()} for each in done]
    write_text(folder.interventions, json.dumps(told, indent=2) + "\n")


def healed(setup: Setup, done: Sequence[Intervention]) -> Setup:
    """The setup with all remedies taken, in their order."""
    for remedy in (each.remedy for each in done):
        if not remedy.told:
            continue
        opponents = {name: treated(opponent, remedy) for name, opponent in setup.opponents.items()}
        setup = replace(
            setup,
            opponents=opponents,
            needs=Needs.of(opponents, setup.sides, setup.source.shape, setup.needs.d_steps),
            rates=(setup.rates[0] * remedy.lr_g, setup.rates[1] * remedy.lr_d),
        )
    return setup


def treated(opponent: Opponent, remedy: Remedy) -> Opponent:
    """One opponent after a remedy."""
    penalties = [heavier(penalty, remedy.penalties) for penalty in opponent.penalties]
    if remedy.r1 is not None and not any(penalty.name == "r1" for penalty in penalties):
        penalties.append(r1(remedy.r1))
    method = opponent.method
    if remedy.fake_as_real is not None and not _counts(method):
        before = [each for each in getattr(method, "methods", (method,)) if not isinstance(each, Plain)]
        method = chain(*before, FakeAsReal(remedy.fake_as_real))
    return ready(replace(opponent, penalties=tuple(penalties), method=method))


def heavier(penalty: Penalty, factor: float) -> Penalty:
    """A penalty whose weight is `factor` times as large; one without a weight is left as it is."""
    if factor == 1.0 or not is_dataclass(penalty) or not hasattr(penalty, "weight"):
        return penalty
    return replace(penalty, weight=penalty.weight * factor)


def _counts(method: Any) -> bool:
    return any(isinstance(part, FakeAsReal) for part in getattr(method, "methods", (method,)))


def fresh_draws(random: Mapping[str, Tensor], seed: int, done: Sequence[Intervention], at: int) -> Mapping[str, Tensor]:
    """The random state to go on with at iteration `at`.

    The first roll-back to a checkpoint repeats what was drawn, exactly: what disturbed the run may not come again.
    Where that ended as before, the draws are new ones.
    """
    again = sum(each.to == at for each in done)
    if again < 2:
        return random
    generator = torch.Generator().manual_seed((seed + 1) * 1_000_003 + at + again)
    return {**random, "run": generator.get_state()}
