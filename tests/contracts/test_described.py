"""What stands around the code says the same as the code: versions, papers, who builds what and as whom."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import steadygan

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
CITATION = (ROOT / "CITATION.cff").read_text(encoding="utf-8")


def test_the_version_is_everywhere_the_same() -> None:
    assert f"\nversion: {steadygan.__version__}\n" in CITATION
    assert f"\n## [{steadygan.__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_papers_cited_are_in_the_bibliography() -> None:
    bibliography = (ROOT / "REFERENCES.bib").read_text(encoding="utf-8")
    known = {re.sub(r"[{}]", "", title) for title in re.findall(r"^ *title *= \{(.*)\},?$", bibliography, re.MULTILINE)}
    cited = re.findall(r'^    title: "(.*)"$', CITATION, re.MULTILINE)
    assert len(cited) == 5
    assert {*cited} <= known


def test_one_place_names_the_repository() -> None:
    (hook,) = PROJECT["tool"]["hatch"]["metadata"]["hooks"].values()
    named = hook["repository"]
    assert {"readme", "urls"} <= {*PROJECT["project"]["dynamic"]}
    files = [path for pattern in ("*.md", "*.cff", ".github/**/*", "docs/**/*.md") for path in ROOT.glob(pattern)]
    assert len(files) > 50
    assert [path for path in files if path.is_file() and named in path.read_text(encoding="utf-8")] == []


def test_each_dependency_has_its_reason() -> None:
    """A line of the table in CONTRIBUTING.md, and no line without one."""
    names = {re.split(r"[<>=\[]", each)[0] for each in PROJECT["project"]["dependencies"]}
    for extra in PROJECT["project"]["optional-dependencies"].values():
        names |= {re.split(r"[<>=\[]", each)[0] for each in extra}
    contributing = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = contributing.partition("## Why each dependency")[2].partition("\n\n**Pages.**")[0]
    told = {name for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for name in re.findall(r"`([^`]+)`", row)}
    assert told == (names - {"steadygan"}) | {"hatchling"}


def test_the_workflow_calls_what_runs_anywhere() -> None:
    workflow = (ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8")
    assert re.findall(r"^ *- run: (.*)$", workflow, re.MULTILINE) == [".ci/run ${{ matrix.mode }}"]


def test_the_image_runs_as_a_plain_user() -> None:
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    assert "USER steady" in lines
    assert lines.index("USER steady") < lines.index('ENTRYPOINT ["steadygan"]')
    assert not [line for line in lines[lines.index("USER steady") :] if line.startswith(("RUN", "COPY", "ADD"))]
