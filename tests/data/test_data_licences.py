"""Whose the data are: the page's table is made of the records, and every source can be cited."""

import re
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from steadygan.data import DATA, digits
from steadygan.data.licences import LICENCES

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
OWN = {"points", "folder"}  # the user's own data


def test_every_data_set_that_can_be_named_has_a_record():
    assert set(DATA) - OWN <= LICENCES.keys()
    assert all(name == record.name for name, record in LICENCES.items())


@pytest.mark.parametrize("record", LICENCES.values(), ids=LICENCES)
def test_a_record_is_whole(record):
    assert all((record.what, record.licence, record.source))
    assert "\n" not in record.licence
    assert not {"|", "\n"} & set(record.what + record.licence + record.source)  # it is a row of a table
    with pytest.raises(FrozenInstanceError):
        record.licence = "mine"


def test_sources_can_be_cited():
    known = re.findall(r"^@\w+\{([^,\s]+),", (ROOT / "REFERENCES.bib").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert {record.key for record in LICENCES.values()} <= set(known)
    assert {record.key for record in LICENCES.values()} >= {"lecun1998", "krizhevsky2009", "deng2009", "alpaydin1998"}


def test_the_page_has_the_records_as_its_table():
    rows = [line for line in PAGE.splitlines() if re.match(r"\| `\w+` \|.*\[\w+\d{4}\] \|$", line)]
    assert rows == [f"| `{r.name}` | {r.what} | {r.licence} | {r.source} | [{r.key}] |" for r in LICENCES.values()]


def test_sources_carry_their_licence():
    assert digits().licence == LICENCES["digits"].licence


def test_the_page_names_every_data_set():
    for name in DATA:
        assert f"`{name}`" in PAGE or f"`data.name={name}`" in PAGE
