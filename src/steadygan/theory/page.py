"""The checked statements as a page with figures, as pictures, and as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from ..files import added
from ..reporting.charts import plotted
from ..reporting.frame import frame_file, framed
from ..viz.plot import Plot, draw_plot
from . import dirac
from .statement import Checked, told

PAGE = "theory.html"
VERDICTS = {"holds": ("holds", "good"), "holds_as_corrected": ("holds as corrected", "warn"), "fails": ("fails", "bad")}
SHOWN = 12  # readings of a statement in Markdown
PORTRAIT = "zero-gp/section-3.4-rates"  # the statement beside which the portrait with sliders stands


def written(checked: Sequence[Checked], out: Path) -> list[Path]:
    """Writes the page and a picture of each of its figures into the folder; returns their paths, the page first."""
    figures = {each.statement.name: each.statement.figures() for each in checked}
    with added(out) as part:
        (part / PAGE).write_text(render(checked, figures), encoding="utf-8")
        names = [PAGE]
        for plot in (plot for own in figures.values() for plot in own):
            names.append(f"{plot.name}.png")
            draw_plot(plot, part / names[-1])
    return [out / name for name in names]


def render(checked: Sequence[Checked], figures: Mapping[str, Sequence[Plot]]) -> str:
    """The page as text."""
    charts: list[dict[str, Any]] = []
    sections = []
    for each in checked:
        own = [plotted(plot) for plot in figures[each.statement.name]]
        for chart in own:
            chart["number"] = len(charts)
            charts.append(chart)
        words, tone = VERDICTS[each.verdict]
        sections.append({
            "name": each.statement.name, "anchor": each.statement.name.replace("/", "-"), "statement": each.statement,
            "verdict": words, "tone": tone, "charts": own, "readings": [*rows(each)],
            "portrait": each.statement.name == PORTRAIT,
        })  # fmt: skip
    return framed(
        (files(__package__) / "theory.html.j2").read_text(encoding="utf-8"),
        [
            frame_file("charts.js"),
            (files(__package__) / "portrait.js").read_text(encoding="utf-8"),
            frame_file("page.js"),
        ],
        {"charts": charts, "courses": courses() if any(section["portrait"] for section in sections) else []},
        title="The theory, checked",
        kind="theory",
        above="Statements of the papers, run on the engine",
        sections=sections,
    )


def rows(checked: Checked) -> Iterator[dict[str, str | bool]]:
    """Each reading in words."""
    signs = {"=": "", "<": "below ", ">": "above "}
    for reading in checked.readings:
        yield {
            "what": reading.what,
            "predicted": signs[reading.relation] + told(reading.predicted),
            "measured": told(reading.measured),
            "tolerance": f"{reading.tolerance:.1g}" if reading.relation == "=" else "",
            "agrees": reading.agrees,
            "printed": reading.printed,
        }


def courses() -> list[dict[str, Any]]:
    """Runs of the engine that the portrait with sliders draws as points when its settings match theirs."""
    found = []
    for loss, penalty, weight, theta, iterations in (
        ("nonsaturating", "zero_gp", dirac.W, 1.0, dirac.FAR), ("nonsaturating", "one_gp", dirac.W, 1.0, dirac.FAR),
        ("minimax", "none", 0.0, 1.0, dirac.FAR),
    ):  # fmt: skip
        course = dirac.trained(loss, penalty, weight, theta, iterations)
        own = {"loss": loss, "penalty": penalty, "weight": weight, "rate": dirac.RATE, "steps": "alternating"}
        found.append({**own, "theta": course.theta, "psi": course.psi})
    return found


def markdown(checked: Sequence[Checked]) -> Iterator[str]:
    """Its text, line by line."""
    yield from INTRODUCTION.split("\n")
    yield "| statement | | verdict |"
    yield "| --- | --- | --- |"
    for each in checked:
        anchor = each.statement.name.replace("/", "").replace(".", "")
        yield f"| [`{each.statement.name}`](#{anchor}) | {each.statement.title} | {VERDICTS[each.verdict][0]} |"
    for each in checked:
        yield from ("", f"## {each.statement.name}", "", f"**{each.statement.title}** [{each.statement.source}]: "
                    f"**{VERDICTS[each.verdict][0]}**.", "", f"As printed: {each.statement.says}", "")  # fmt: skip
        if each.statement.corrected:
            yield from (f"What holds: {each.statement.corrected}", "")
        yield from (f"Computed: {each.statement.computed}", "")
        yield "| | predicted | measured | |"
        yield "| --- | --- | --- | --- |"
        yield from table(each)


def table(checked: Checked) -> Iterable[str]:
    """Some of the readings, as rows: those as printed, and others evenly picked."""
    own = [*rows(checked)]
    step = -(-len(own) // SHOWN)
    chosen = [row for i, row in enumerate(own) if i % step == 0 or (row["printed"] and i % (2 * step) <= 1)]
    for row, reading in ((row, checked.readings[own.index(row)]) for row in chosen):
        sign = {"=": "", "<": "below ", ">": "above "}[reading.relation]
        verdict = "agrees" if reading.agrees else "does not agree, as printed" if reading.printed else "does not agree"
        numbers = sign + told(reading.predicted, 4), told(reading.measured, 4)
        yield f"| {row['what'].replace('|', '&#124;')} | {numbers[0]} | {numbers[1]} | {verdict} |"  # type: ignore[union-attr]
    if len(own) > len(chosen):
        yield f"| and {len(own) - len(chosen)} more: `steadygan theory {checked.statement.name}` | | | |"


INTRODUCTION = """# The theory, checked by running it

Each proposition, theorem and claim of the papers behind the methods is an object: what it says, what it predicts, and
a computation with the package's own losses, penalties, methods and engine. The program prints this page:

```bash
steadygan theory                             # all statements, one line each
steadygan theory fargan/proposition-2        # one, with all its readings; or a paper: fargan
steadygan theory --out theory                # a page with figures and a Dirac-GAN with sliders, and its images
steadygan theory --json
steadygan theory --markdown > docs/theory.md
```

```python
for found in sg.theory.check("dual"):
    print(found.statement.name, found.verdict)  # holds, holds_as_corrected or fails
```

`holds_as_corrected`: the printed text does not hold; the corrected statement is predicted and measured beside it. Every
check can fail: `sg.theory.STATEMENTS[name].laws` are a statement's predictions, `check(law=...)` replaces one of them,
and the tests break each by its sign, by a constant and by a power.

Players are as small as the statements require: critics with a separate logit for each point, linear ones, one-layer
constructions; 64-bit, all samples in every step. D's optima are the points to which the engine's steps converge.
"""
