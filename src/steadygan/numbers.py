"""How numbers read in tables, on a terminal and on a page."""

from __future__ import annotations


def plain(value: float) -> str:
    """Three significant digits, without an exponent where that reads well."""
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
        return f"{value:,.{digits}f}"
    return f"{value:.1e}"


DEAD_GRADIENT = 1e-8  # mean ||grad_y d(y)|| below which a discriminator teaches nothing
