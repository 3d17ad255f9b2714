"""The page: everything that was gathered, in one template, with everything escaped."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any

from ..metrics.protocol import together
from ..quantities import listed, quantities, tone
from . import tables
from .captions import caption
from .charts import chart
from .evolution import evolution_gif
from .frame import frame_file, framed
from .groups import RunGroup, command, common_seed
from .headline import headline_figures, reason, states
from .shots import BUDGET, shots
from .timeline import timeline

SEEDS = 4  # of a group, whose samples are shown
FILMS = 400_000  # bytes of all films of a page
NAMED = 3  # runs that a page's title names


def render(groups: Sequence[RunGroup], notes: Sequence[str] = (), state: str = "", real: bool = False) -> str:
    """The page as text; with a `state` it is a followed page, which asks its server for newer states.

    real: see `real_points`.
    """
    sections = _sections(groups)
    shown = list(_samples(groups, real))
    films = {} if state else _films(groups, real)
    figures = tables.figures(groups)
    charts = [own for section in sections for own in section["charts"]]
    why = reason(groups)
    names, seed = [group.name for group in groups], common_seed([group.runs for group in groups])
    numbers = {own["key"]: own for own in charts}
    return framed(
        frame_file("page.html.j2"),
        [frame_file(f"{name}.js") for name in ("charts", "samples", "page", *(["follow"] if state else []))],
        {"charts": charts, "samples": [panel for panel in shown if panel["runs"]]},
        kind="report",
        above="Training report",
        state=state,
        title=(listed(names) if len(names) <= NAMED else f"{len(names)} runs side by side")
        + ("" if seed is None else f", seed {seed}"),
        groups=[_card(i, group) for i, group in enumerate(groups)],
        several=len(groups) > 1,
        judged=any(run.verdicts for group in groups for run in group.runs),
        alarms=any(tone(turn.verdict) == "bad" for group in groups for run in group.runs for turn in run.verdicts),
        banded=any(group.several for group in groups),
        notes=notes,
        first=headline_figures(groups),
        why=why,
        why_charts=[numbers[key] for key in why.keys if key in numbers],
        timeline=timeline(groups),
        longest=max(run.last for group in groups for run in group.runs),
        sections=sections,
        samples=shown,
        films=films,
        quality=[figure for figure in figures if not figure.cells[0].peak],
        gradients=[figure for figure in figures if figure.cells[0].peak],
        reals=any(cell.real for figure in figures for cell in figure.cells),
        unlike=_unlike(figures),
        differing=tables.differing(groups) if len(groups) > 1 else [],
    )


def waiting_page(folders: Sequence[Path]) -> str:
    """The page for runs without records, which reloads until there are some."""
    listed = "".join(f"<li><code>{escape(str(folder))}</code></li>" for folder in folders)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="3">'
        '<title>Waiting: report</title><link rel="icon" href="data:,">'
        f"<style>{frame_file('page.css')}</style></head><body>"
        '<header><h1>Waiting for the first record</h1></header><main id="main"><p>Curves and samples appear here as '
        f'soon as a run has written a line of metrics.jsonl.</p><ul class="wrap">{listed}</ul></main></body></html>'
    )


def _card(i: int, group: RunGroup) -> dict[str, Any]:
    """What stands at the top of a group, and below all charts."""
    lengths = sorted({run.last for run in group.runs})
    seconds = [run.seconds for run in group.runs if run.seconds is not None]
    last = " to ".join(f"{n:,}" for n in dict.fromkeys((lengths[0], lengths[-1])))
    facts = [f"{last} iterations"]
    facts += [f"{len(group.runs)} seeds"] if group.several else []
    facts += [f"data {group.first.data}"] if group.first.data else []
    facts += [f"{_clock(sum(seconds) / len(seconds))} of training" + (" each" * group.several)] if seconds else []
    return {
        "index": i,
        "name": group.name,
        "facts": facts,
        "states": states(group),
        "last": last,
        "notes": [(group.called(run), note) for run in group.runs for note in run.notes],
        "folders": [str(run.path) for run in group.runs],
        "command": command(group),
        "loop": group.first.loop,
        "measured": together(group.first.protocols),
        "settings": tables.settings(group),
    }


def _unlike(figures: Sequence[tables.TableRow]) -> dict[str, list[str]]:
    """Why figures may not be compared -> their labels."""
    found: dict[str, list[str]] = {}
    for figure in figures:
        if figure.unlike:
            found.setdefault(figure.unlike, []).append(figure.label)
    return found


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def _sections(groups: Sequence[RunGroup]) -> list[dict[str, Any]]:
    """The charts in their groups, numbered through."""
    keys = [key for group in groups for run in group.runs for row in run.rows for key in row]
    found = []
    number = 0
    for name, own in quantities(dict.fromkeys(keys)).items():
        charts = [made for quantity in own if (made := chart(quantity, groups)) is not None]
        for made in charts:
            made |= {"number": number, "sentence": caption(made["key"])}
            number += 1
        if charts:
            found.append({"name": name, "charts": charts})
    return found


def _samples(groups: Sequence[RunGroup], real: bool) -> Iterator[dict[str, Any]]:
    """A panel per group, with the samples of its first runs."""
    budget = BUDGET // sum(min(SEEDS, len(group.runs)) for group in groups)
    for i, group in enumerate(groups):
        own = [(run, found) for run in group.runs[:SEEDS] if (found := shots(run, budget, real)) is not None]
        named = [{"name": f"seed {run.seed}", "label": group.called(run), **found} for run, found in own]
        yield {"group": i, "name": group.name, "runs": named, "of": len(group.runs)}


def _films(groups: Sequence[RunGroup], real: bool) -> dict[int, str]:
    """The evolution of each group's first run as a GIF's data URI, where it is small enough."""
    budget = FILMS // len(groups)
    found = {i: evolution_gif(group.first, budget, real) for i, group in enumerate(groups)}
    return {
        i: f"data:image/gif;base64,{b64encode(content).decode('ascii')}"
        for i, content in found.items()
        if content is not None
    }
