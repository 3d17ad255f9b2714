"""A folder of figures as one page: every picture inside it, what the paper and the runs say, nothing from elsewhere."""

from __future__ import annotations

import re
from base64 import b64decode
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from steadygan.errors import InputError
from steadygan.figures import FIGURES
from steadygan.figures.gallery import WIDEST, Said, counted, drawn_figures, write_gallery

COLOURS = {
    "zero-gp-3": (200, 30, 30),
    "fargan-1-small": (30, 200, 30),
    "fargan-1": (30, 30, 200),
    "a <field>": (9, 9, 9),
}


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.pictures: list[str] = []
        self.text = ""
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        own = dict(attrs)
        if tag == "img":
            self.pictures.append(own["src"] or "")
        self.anchors.add(own.get("id") or "")
        if tag == "a":
            self.links.append(own["href"] or "")
        assert tag != "link" or (own["href"] or "").startswith("data:")
        assert tag != "script" or "src" not in own

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four pictures of one colour each, the first of them too wide, and the files of one."""
    made = tmp_path / "figures"
    made.mkdir()
    for i, (name, colour) in enumerate(COLOURS.items()):
        Image.new("RGB", (40 if i else WIDEST + 400, 20), colour).save(made / f"{name}.png")
    (made / "zero-gp-3.npz").write_bytes(b"")
    (made / "zero-gp-3.pdf").write_bytes(b"")
    (made / "zero-gp-3-curves.csv").write_bytes(b"")  # of another name
    return made


def test_figures_stand_in_the_papers_order(folder: Path) -> None:
    found = drawn_figures(folder)
    assert [one.name for one in found] == ["fargan-1", "fargan-1-small", "zero-gp-3", "a <field>"]
    assert [one.scale for one in found[:2]] == ["full", "small"]
    assert [path.name for path in found[2].others] == ["zero-gp-3.npz", "zero-gp-3.pdf"]
    assert found[3].figure is None


def test_the_page_holds_every_picture_and_what_is_said_of_it(folder: Path) -> None:
    said = {"zero-gp-3": [Said("it <learns>", 0.957, "reproduced", 3), Said("and so on", -0.2, "not reproduced", 2)]}
    path = write_gallery(folder, said)
    text = path.read_text(encoding="utf-8")
    page = Page(text)
    assert len(text) < 200_000  # no library of curves
    found = []
    for uri in page.pictures:
        with Image.open(BytesIO(b64decode(uri.removeprefix("data:image/webp;base64,")))) as image:
            assert image.width <= WIDEST
            found.append(np.asarray(image.convert("RGB"), dtype=float).mean((0, 1)))
    wanted = [COLOURS[name] for name in ("fargan-1", "fargan-1-small", "zero-gp-3", "a <field>")]
    assert np.abs(np.array(found) - np.array(wanted)).max() < 12.0
    words = " ".join(page.text.split())
    assert FIGURES["zero-gp-3"].claim in words
    assert "it <learns>: +96 %, reproduced (3 seeds)" in words
    assert "1 reproduced , 1 not reproduced" in words.replace(",", " ,").replace("  ", " ")
    assert "zero-gp-3.png, zero-gp-3.npz, zero-gp-3.pdf" in words
    assert not re.search(r"https?://", text.replace("http://www.w3.org", ""))
    assert {link.removeprefix("#") for link in page.links} <= page.anchors | {"main"}
    assert write_gallery(folder, {}) == path  # its own page is written again


def test_verdicts_are_counted_the_best_first() -> None:
    words = ["not reproduced", "within the noise", "reproduced", "not reproduced", "not comparable"]
    assert [(each["count"], each["word"], each["tone"]) for each in counted(words)] == [
        (1, "reproduced", "good"),
        (1, "within the noise", "warn"),
        (2, "not reproduced", "bad"),
        (1, "not comparable", "calm"),
    ]


def test_a_damaged_picture_is_left_out_and_named(folder: Path) -> None:
    (folder / "zero-gp-8.png").write_bytes(b"no picture")
    page = Page(write_gallery(folder, {}).read_text(encoding="utf-8"))
    assert len(page.pictures) == 4
    assert "Left out, as they cannot be read: zero-gp-8.png" in page.text


def test_what_is_no_folder_of_figures_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected a folder of drawn figures at"):
        drawn_figures(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"found no \.png"):
        write_gallery(tmp_path / "empty", {})
    (folder / "gallery.html").write_text("my own", encoding="utf-8")
    with pytest.raises(InputError, match="expected no file but an older gallery"):
        write_gallery(folder, {})
    assert (folder / "gallery.html").read_text(encoding="utf-8") == "my own"
