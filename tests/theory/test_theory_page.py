"""The page: one file with all that was read, a portrait that is computed in it, and pictures beside it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from steadygan import theory
from steadygan.errors import InputError
from steadygan.theory import Checked, Reading, catalogue, dirac
from steadygan.theory.statement import several, told, trend

NAMES = ("fargan/equation-11", "dual/theorem-3", "zero-gp/section-3.2")
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def checked() -> list[Checked]:
    return theory.check(NAMES)


def test_a_reading_agrees_or_does_not() -> None:
    assert Reading("a", 1.0, 1.5, 0.5).agrees
    assert not Reading("a", 1.0, 1.5, 0.4).agrees
    assert not Reading("a", (1.0, 2.0), (1.0, 2.1), 0.05).agrees
    assert Reading("a", 1.0, 1.5, relation=">").agrees
    assert not Reading("a", 1.0, 1.5, relation="<").agrees
    assert not Reading("a", 1.0, 1.0, relation="<").agrees
    assert not Reading("a", 1.0, float("nan"), 1e9).agrees
    assert not Reading("a", float("inf"), float("inf"), 1.0).agrees
    with pytest.raises(ValueError, match="zip"):
        assert Reading("a", (1.0, 2.0), (1.0,), 1.0).agrees


def test_a_verdict_follows_from_readings() -> None:
    right, wrong = Reading("a", 1.0, 1.0), Reading("a", 1.0, 2.0)
    told_wrong, told_right = wrong._replace(printed=True), right._replace(printed=True)
    statement = theory.STATEMENTS[NAMES[0]]

    def verdict(*readings: Reading) -> str:
        return Checked(statement, readings, 0.0).verdict

    assert verdict(right) == verdict(right, told_right) == "holds"
    assert verdict(right, told_wrong) == "holds_as_corrected"
    assert (
        verdict(wrong) == verdict(right, wrong) == verdict(wrong, told_right) == verdict(wrong, told_wrong) == "fails"
    )
    assert verdict() == verdict(told_right) == verdict(told_wrong) == "fails"  # nothing says what holds instead


def test_numbers_in_words() -> None:
    assert told(0.123456789) == "0.123457"
    assert told([1.0, 2.5]) == "1, 2.5"
    assert told([1.0, 1.0]) == "1, 1"
    assert told([0.5] * 10) == "0.5 (10 times)"
    assert (trend([1, 2, 3]), trend([3, 2]), trend([1, 2, 2]), trend([1, 3, 2])) == (1.0, -1.0, 0.0, 0.0)
    assert several(np.float64(2.0)) == [2.0]


def test_names_papers_and_patterns() -> None:
    def names(*asked: str) -> list[str]:
        return [each.name for each in theory.statements(asked)]

    assert names() == [*theory.STATEMENTS]
    assert names("d2gan") == ["d2gan/optimum"]
    assert names("dual/theorem-*", "dual/theorem-2") == ["dual/theorem-2", "dual/theorem-3"]
    with pytest.raises(InputError, match=r"unknown statement 'fargan/propositon-2': did you mean 'fargan/prop"):
        theory.statements(["fargan/propositon-2"])
    with pytest.raises(InputError, match=r"unknown law 'sine': .*known: change, course, over"):
        theory.STATEMENTS[NAMES[0]].check(sine=1.0)


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.verdicts: list[str] = []
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.inside = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        own = dict(attrs)
        assert "src" not in own or (own["src"] or "").startswith("data:")
        self.inside = "data-verdict" in own
        self.anchors |= {own["id"] or ""} if "id" in own else set()
        self.links += [own["href"] or ""] if tag == "a" else []

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.verdicts.append(data)
        self.inside = False


def test_the_page_and_its_pictures(checked: list[Checked], tmp_path: Path) -> None:
    paths = theory.write(checked, tmp_path / "new")
    assert [path.name for path in paths] == ["theory.html", "fargan-sign.png"]
    assert {path.name for path in (tmp_path / "new").iterdir()} == {path.name for path in paths}
    text = paths[0].read_text(encoding="utf-8")
    found = Page(text)
    assert found.verdicts == ["holds as corrected", "holds as corrected", "holds"]
    assert {link.removeprefix("#") for link in found.links} <= found.anchors
    assert "<code>r1</code>" in text
    assert 'id="portrait"' not in text
    data = json.loads(re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1])
    assert [chart["key"] for chart in data["charts"]] == [path.stem for path in paths[1:]]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths[1:])
    again = theory.write(checked[:1], tmp_path / "new")  # an older page is replaced
    assert len(again) == 2


def test_a_folder_of_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(InputError, match=r"expected a new or empty folder, .* found 'thesis.tex' in"):
        theory.write([], tmp_path)
    with pytest.raises(InputError, match="expected a folder for --out, got the file"):
        theory.write([], tmp_path / "thesis.tex")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_plain_and_markdown(checked: list[Checked]) -> None:
    plain = json.loads(json.dumps([each.plain() for each in checked], allow_nan=False))
    assert [own["verdict"] for own in plain] == ["holds_as_corrected", "holds_as_corrected", "holds"]
    assert plain[1]["readings"][3]["predicted"] == pytest.approx(-2 * np.log(2))
    assert plain[2]["readings"][1]["predicted"] == [0.0, 0.0]
    text = theory.markdown(checked)
    row = "| [`fargan/equation-11`](#farganequation-11) | The gradient penalty and its sign | holds as corrected |"
    assert row in text
    assert "| does not agree, as printed |" in text


def test_the_docs_say_what_is_checked() -> None:
    """Every statement, its words and its verdict stand in docs/theory.md, which `--markdown` prints."""
    text = (ROOT / "docs/theory.md").read_text(encoding="utf-8")
    for each in catalogue.STATEMENTS.values():
        verdict = "holds as corrected" if each.corrected else "holds"
        assert f"| [`{each.name}`](#{each.name.replace('/', '').replace('.', '')}) | {each.title} | {verdict} |" in text
        for words in (each.says, each.corrected, each.computed):
            assert words in text
    assert "does not agree |" not in text


def test_sources_resolve() -> None:
    keys = set(re.findall(r"^@\w+\{([^,\s]+),", (ROOT / "REFERENCES.bib").read_text(encoding="utf-8"), re.MULTILINE))
    for each in catalogue.STATEMENTS.values():
        cited = re.findall(r"[a-z]+(?:19|20)\d\d", each.source)
        assert cited
        assert set(cited) <= keys


PENALTIES = {
    "none": "none", "r1": "r1", "r2": "r2", "zero_gp": "zero_gp", "r1 + r2": "r1 + r2", "one_gp": "one_gp",
    "r1 of the probability": "r1 of the probability",
}  # fmt: skip
SCRIPT = """
{source}
const asked = JSON.parse(process.argv[1]);
console.log(JSON.stringify(asked.map((settings) => [
  diracCourse(settings, 0.8, 8).map((s) => [s.psi, s.theta, ...(settings.loss === "least_squares" ? [s.b] : [])]),
  diracModulus(settings),
])));
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node to run the page's script")
def test_the_portrait_computes_what_the_engine_steps() -> None:
    source = (files(theory) / "portrait.js").read_text(encoding="utf-8")
    asked = [
        {"loss": loss, "penalty": penalty, "weight": 0.3, "rate": 0.2, "steps": "alternating"}
        for loss in ("nonsaturating", "hinge", "relativistic_average", "least_squares")
        for penalty in PENALTIES
    ]
    asked += [{**asked[0], "loss": "wasserstein", "penalty": "clipped to w"}]
    script = SCRIPT.replace("{source}", source)
    done = subprocess.run(["node", "-e", script, json.dumps(asked)], capture_output=True, text=True, check=True)
    for settings, (course, modulus) in zip(asked, json.loads(done.stdout), strict=True):
        clip = settings["penalty"] == "clipped to w"
        penalties = [] if clip else dirac.PENALISED[PENALTIES[settings["penalty"]]](0.3)
        constraint = dirac.WeightClipping(0.3) if clip else None
        game = dirac.DiracGame(settings["loss"], penalties, constraint, rate=0.2)
        start = [0.0, 0.8, *game.rest[2:]]
        assert np.abs(game.path(start, 8) - np.array(course)).max() < 1e-9, settings
        if settings["penalty"] in ("one_gp", "clipped to w"):
            assert modulus is None
        elif settings["loss"] in ("nonsaturating", "wasserstein", "least_squares"):
            known = dirac.contraction(settings["loss"], settings["penalty"], 0.3, 0.2)[1]
            assert modulus == pytest.approx(known, abs=1e-5), settings
