"""Whose the data are: the page tells it of every set, every set can be cited, and sources carry what the page says."""

import re
from pathlib import Path

import pytest
import torch

from steadygan.data import DATA, digits
from steadygan.data.sets import cifar, imagenet, mnist

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
OWN = {"points", "folder"}  # the user's own data
ROWS = {
    row[0]: row[1:]
    for row in re.findall(r"^\| `(\w+)` \| ([^|]+) \| ([^|]+) \| ([^|]+) \| \[(\w+\d{4})\] \|$", PAGE, re.MULTILINE)
}


def test_the_page_names_every_data_set():
    assert set(DATA) - OWN <= ROWS.keys()
    for name in DATA:
        assert f"`{name}`" in PAGE or f"`data.name={name}`" in PAGE


def test_sets_can_be_cited():
    known = re.findall(r"^@\w+\{([^,\s]+),", (ROOT / "REFERENCES.bib").read_text(encoding="utf-8"), flags=re.MULTILINE)
    keys = {row[3] for row in ROWS.values()}
    assert keys <= set(known)
    assert keys >= {"lecun1998", "krizhevsky2009", "deng2009", "alpaydin1998"}


def test_sources_carry_the_licence_of_the_page(monkeypatch):
    assert digits().licence == ROWS["digits"][1]
    assert ROWS["mnist"][1] == mnist.LICENCE
    assert ROWS["cifar10"][1] == ROWS["cifar100"][1] == cifar.LICENCE
    assert (ROWS["tiny_imagenet"][1], ROWS["imagenet64"][1]) == (imagenet.TINY_LICENCE, imagenet.LICENCE)
    few = mnist.MnistFiles(torch.zeros(5, 28, 28), torch.zeros(5).long(), torch.zeros(5, 28, 28), torch.zeros(5).long())
    monkeypatch.setattr("steadygan.data.sets.stacked_mnist.read_mnist", lambda *_: few)
    assert DATA["stacked_mnist"](n=9).licence == ROWS["stacked_mnist"][1]


@pytest.mark.parametrize("name", ["tiny_imagenet", "imagenet"])
def test_folders_of_ones_own_that_are_known_are_on_the_page(name):
    assert "agreement with its authors" in ROWS[name][1]
