"""Going back to where a run was healthy: what was done is kept beside the run, and done again when it is resumed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, is_dataclass, replace

import torch
from torch import Tensor

from ..diagnostics.remedy import Remedy
from ..errors import InputError
from ..methods.chain import added, parts_of
from ..types import Opponent, Penalty
from .folder import RunFolder, write_text
from .needs import Needs
from .opponents import ready
from .setup import Setup


@dataclass(frozen=True)
class Intervention:
    """One roll-back: seen at `iteration`, gone back to `to`; the `remedy` in words."""

    iteration: int
    to: int
    verdict: str
    reason: str
    remedy: str

    @property
    def told(self) -> str:
        """In words, without the iteration at which it was seen."""
        changed = f", {self.remedy}" if self.remedy else ""
        return f"{self.verdict.replace('_', ' ')}: rolled back to iteration {self.to}{changed}"


def interventions(folder: RunFolder) -> list[Intervention]:
    """Those of a run so far; raises InputError where the file cannot be read."""
    if not folder.interventions.exists():
        return []
    try:
        content = json.loads(folder.interventions.read_text(encoding="utf-8"))
        return [Intervention(**each) for each in content]
    except (OSError, ValueError, TypeError) as error:
        raise InputError(
            f"{folder.interventions} is not a readable list of roll-backs ({type(error).__name__}): start the run anew"
        ) from None


def note(folder: RunFolder, done: Sequence[Intervention]) -> None:
    """Writes all of them down, in one piece."""
    write_text(folder.interventions, json.dumps([vars(each) for each in done], indent=2) + "\n")


def healed(setup: Setup, remedy: Remedy, times: int = 1) -> Setup:
    """The setup with the remedy taken so many times; raises InputError where its parts do not fit what is there."""
    for _ in range(times if remedy.told else 0):
        opponents = {name: treated(opponent, remedy) for name, opponent in setup.opponents.items()}
        setup = replace(
            setup,
            opponents=opponents,
            needs=Needs.of(opponents, setup.sides, setup.source.shape, setup.needs.d_steps),
            rates=(setup.rates[0] * remedy.lr_g, setup.rates[1] * remedy.lr_d),
        )
    return setup


def taken(folder: RunFolder, done: Sequence[Intervention], remedy: Remedy) -> int:
    """How often a run has taken its remedy; raises InputError where that was another one than is given now."""
    for i, each in enumerate(done):
        given = remedy.told_again if i else remedy.told
        if each.remedy != given:
            raise InputError(
                f"{folder.path} was rolled back with the remedy '{each.remedy or 'none'}', and now "
                f"'{given or 'none'}' is given: resume with the same one, or choose another --out"
            )
    return len(done)


def check_new(setup: Setup, remedy: Remedy) -> None:
    """Raises InputError where the remedy would switch on what every discriminator has."""
    opponents = setup.opponents.values()
    for kind, parts in (("penalty", remedy.penalties), ("method", remedy.methods)):
        for part in parts:
            if all(part.name in names_of(opponent) for opponent in opponents):
                raise InputError(
                    f"expected a {kind} in the remedy that is not there yet, got {part.name}, which is on already: "
                    "choose another, or a factor on penalty weights"
                )


def names_of(opponent: Opponent) -> set[str]:
    """Its penalties and methods."""
    return {part.name for part in (*opponent.penalties, *parts_of(opponent.method))}


def treated(opponent: Opponent, remedy: Remedy) -> Opponent:
    """One opponent after a remedy."""
    penalties = [heavier(penalty, remedy.penalty_weights) for penalty in opponent.penalties]
    there = names_of(opponent)
    penalties += [penalty for penalty in remedy.penalties if penalty.name not in there]
    method = added(opponent.method, *remedy.methods)
    return ready(replace(opponent, penalties=tuple(penalties), method=method))


def heavier(penalty: Penalty, factor: float) -> Penalty:
    """A penalty whose weight is `factor` times as large; one without a weight is left as it is."""
    if factor == 1.0 or not is_dataclass(penalty) or not hasattr(penalty, "weight"):
        return penalty
    return replace(penalty, weight=penalty.weight * factor)


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
