"""The frame of every page: one file that opens anywhere, with its own style, scripts and data, all escaped."""

from __future__ import annotations

import gzip
import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from .. import __version__

PALETTE = 7  # colours that the style sheet knows; more groups than that share them, with other dashes


def framed(
    template: str,
    scripts: Sequence[str],
    data: Mapping[str, Any],
    state: str = "",
    plotly: bool = True,
    **context: Any,
) -> str:
    """A page as text: `template` (Jinja) extends `frame.html.j2`, whose blocks it fills from `context`.

    context: `title`, `kind` (report, theory ...), `above` (a line above the title) and whatever the template needs;
    data: what the scripts read. state: of a page that is followed; plotly: whether it has curves, which need that
    library.
    """
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    own = FunctionLoader(frame_file)
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, loader=own
    )
    environment.filters["coded"] = coded
    environment.filters["thousands"] = lambda value: f"{value:,}"
    return environment.from_string(template).render(
        state=state,
        version=__version__,
        palette=PALETTE,
        css=frame_file("page.css"),
        plotly=packed_plotly() if plotly else "",
        scripts=scripts,
        data=embedded({"palette": PALETTE, **data}),
        **context,
    )


@cache
def packed_plotly() -> str:
    """The library that draws curves, packed by gzip, in base64: unpacked it would be nine tenths of a page."""
    from plotly.offline import get_plotlyjs

    return b64encode(gzip.compress(get_plotlyjs().encode(), mtime=0)).decode("ascii")


def embedded(content: Any) -> str:
    """JSON for a <script>: whatever the strings contain, it cannot close the element."""
    text = json.dumps(content, separators=(",", ":"), allow_nan=False)  # ASCII: U+2028 is escaped with the rest
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def coded(words: str) -> Any:
    """Escaped text with what is between `backticks` as code."""
    from markupsafe import Markup, escape

    parts = words.split("`")
    return Markup("").join(Markup("<code>{}</code>").format(p) if i % 2 else escape(p) for i, p in enumerate(parts))


@cache
def frame_file(name: str) -> str:
    """A template, style sheet or script of this package."""
    return (files(__package__) / name).read_text(encoding="utf-8")
