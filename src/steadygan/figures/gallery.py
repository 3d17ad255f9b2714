"""A folder of drawn figures as one page that opens anywhere."""

from __future__ import annotations

from base64 import b64encode
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import InputError
from ..files import beside
from ..quantities import percent
from ..reporting.frame import frame_file, framed
from .figure import FIGURES, PaperFigure

PAGE, MARK = "gallery.html", "Made by steadygan"
WIDEST = 1600  # pixels of a picture in the page
SMALL = "-small"
TONES = {"reproduced": "good", "in the same direction": "calm", "within the noise": "warn", "not reproduced": "bad"}


class Drawn(NamedTuple):
    """One picture of the folder, the files of its name beside it, and the paper's figure that it is, if it is one."""

    name: str
    picture: Path
    others: tuple[Path, ...]
    figure: PaperFigure | None

    @property
    def scale(self) -> str:
        """That of its runs, by its name."""
        return "small" if self.name.endswith(SMALL) else "full"


class Said(NamedTuple):
    """What runs say of a claim: how much better one row is than the other, the verdict, and of how many seeds."""

    claim: str
    effect: float
    word: str
    seeds: int

    def __str__(self) -> str:
        """In one line of Markdown."""
        return f"{self.claim}: {self.share}, **{self.word}** ({self.seeds} seeds)"

    def shown(self) -> dict[str, str]:
        """What the page shows of it."""
        told = {"claim": self.claim, "share": self.share, "word": self.word, "seeds": f"{self.seeds}"}
        return told | {"tone": tone(self.word)}

    @property
    def share(self) -> str:
        """The effect in words."""
        return percent(self.effect)


def drawn_figures(folder: Path) -> list[Drawn]:
    """The pictures of a folder: the papers' figures in their order, then all others by name.

    Raises InputError for a folder without a picture.
    """
    if not folder.is_dir():
        raise InputError(
            f"expected a folder of drawn figures at '{folder}', found none: draw one with steadygan figure"
        )
    order = list(FIGURES)
    found = []
    for picture in sorted(folder.glob("*.png")):
        name = picture.stem
        figure = FIGURES.get(name) or FIGURES.get(name.removesuffix(SMALL))
        others = tuple(path for path in sorted(folder.glob(f"{name}.*")) if path != picture and path.stem == name)
        found.append(Drawn(name, picture, others, figure))
    if not found:
        raise InputError(f"expected drawn figures in '{folder}', found no .png: draw one with steadygan figure")
    return sorted(found, key=lambda one: (len(order) if one.figure is None else order.index(one.figure.name), one.name))


def write_gallery(folder: Path, said: Mapping[str, Sequence[Said]]) -> Path:
    """Writes gallery.html into a folder of drawn figures; its path.

    said: what runs say of the claims of each, by the picture's name. Pictures that cannot be read are left out and
    named. Raises InputError for a folder without figures, and for a gallery.html that is no gallery.
    """
    path = folder / PAGE
    if path.is_file() and MARK not in path.read_text(encoding="utf-8", errors="replace"):
        raise InputError(f"expected no file but an older gallery at {path}, found another: move it")
    found = drawn_figures(folder)
    with beside(path) as part:
        part.write_text(render(found, said), encoding="utf-8")
    return path


def render(found: Sequence[Drawn], said: Mapping[str, Sequence[Said]]) -> str:
    """The page as text."""
    sections: list[dict[str, Any]] = []
    lost = []
    for one in found:
        picture = embedded_picture(one.picture)
        if picture is None:
            lost.append(one.picture.name)
            continue
        figure = one.figure
        sections.append({
            "name": one.name,
            "title": one.name if figure is None else figure.text[0].upper() + figure.text[1:],
            "source": "" if figure is None else figure.source,
            "claim": "" if figure is None else figure.claim,
            "notes": () if figure is None else figure.notes,
            "scale": "" if figure is None else one.scale,
            "said": [each.shown() for each in said.get(one.name, ())],
            "verdicts": counted([each.word for each in said.get(one.name, ())]),
            "files": [path.name for path in (one.picture, *one.others)],
            "picture": picture,
        })  # fmt: skip
    return framed(
        (files(__package__) / "gallery.html.j2").read_text(encoding="utf-8"),
        [frame_file("charts.js"), frame_file("page.js")],
        {"charts": []},
        plotly=False,
        title="Figures",
        kind="gallery",
        above="What the papers show, drawn from runs",
        sections=sections,
        lost=lost,
    )


def tone(word: str) -> str:
    """How a verdict on a claim is coloured."""
    return TONES.get(word, "calm")


def counted(words: Sequence[str]) -> list[dict[str, Any]]:
    """Each verdict once, with how often it was given, the best first."""
    known = Counter(words)
    ordered = [word for word in TONES if word in known] + sorted(known.keys() - TONES.keys())
    return [{"word": word, "count": known[word], "tone": tone(word)} for word in ordered]


def embedded_picture(path: Path) -> str | None:
    """The picture as a data URI of at most `WIDEST` pixels across; None for a file that is none."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            made = image.convert("RGB")
        if made.width > WIDEST:
            made = made.resize((WIDEST, max(1, round(made.height * WIDEST / made.width))), Image.Resampling.LANCZOS)
        content = BytesIO()
        made.save(content, "WEBP", quality=90, method=4)
    except Exception:  # a damaged file raises whatever its bytes lead to
        return None
    return f"data:image/webp;base64,{b64encode(content.getvalue()).decode('ascii')}"
