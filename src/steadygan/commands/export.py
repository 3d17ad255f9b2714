"""`steadygan export`: a run's generator for use without steadygan."""

from __future__ import annotations

from pathlib import Path

from .console import stdout
from .existing import settings_of, weights_named


def export(folder: Path, out: Path | None, weights: str) -> int:
    """Writes generator.safetensors, generator.pt2 and card.json, and says where."""
    kind = weights_named(weights)
    settings_of(folder)
    from ..runs import export as exporting
    from ..runs.run import load

    run = load(folder, device="cpu")
    place = folder / "export" if out is None else out
    card = exporting.export(run, place, kind)
    files = ", ".join(path.name for path in sorted(place.iterdir()) if path.name in exporting.FILES)
    stdout().print(
        f"generator of {folder} (iteration {card['iteration']:,}, {'EMA' if card['weights'] == 'ema' else 'live'} "
        f"weights, {card['parameters']:,} parameters): {place} ({files})"
    )
    return 0
