"""How far a loss is from where it rests when the generator is perfect."""

from __future__ import annotations


def off_equilibrium(loss: float | None, equilibrium: float | None) -> float | None:
    """(L - e) / |e| of a loss L, without penalties, and its value e at p_G = p_data; L - e where e = 0.

    In units of |e|, so that losses of all kinds compare. For D, below 0 means that it tells the sides apart better than
    it could if they were alike, above 0 that it does worse than a guess [goodfellow2014]. None where the loss is not
    known or its equilibrium is free. A loss that is NaN or infinite shows.
    """
    if loss is None or equilibrium is None:
        return None
    return (loss - equilibrium) / abs(equilibrium) if equilibrium != 0.0 else loss - equilibrium
