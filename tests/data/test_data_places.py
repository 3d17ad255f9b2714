"""Where data lie: the environment's word, then the cache folder."""

import os
from pathlib import Path

import platformdirs
import pytest

from steadygan.errors import InputError
from steadygan.places import cache_folder, data_root, given_place


@pytest.fixture(autouse=True)
def _bare(monkeypatch):
    monkeypatch.delenv("STEADYGAN_DATA", raising=False)
    monkeypatch.delenv("STEADYGAN_CACHE", raising=False)


def test_the_platform_decides_when_nobody_says_anything():
    assert cache_folder() == Path(platformdirs.user_cache_dir("steadygan"))
    assert data_root() == cache_folder() / "data"


def test_the_cache_may_be_elsewhere_and_data_with_it(monkeypatch, tmp_path):
    monkeypatch.setenv("STEADYGAN_CACHE", str(tmp_path / "new"))
    assert cache_folder() == tmp_path / "new"
    assert data_root() == tmp_path / "new" / "data"
    assert not (tmp_path / "new").exists()  # asking makes nothing


def test_a_folder_of_data_is_asked_before_the_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("STEADYGAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("STEADYGAN_DATA", str(tmp_path / "sets"))
    assert data_root() == tmp_path / "sets"
    assert cache_folder() == tmp_path / "cache"


@pytest.mark.parametrize("empty", ["", "  "])
def test_an_empty_variable_says_nothing(monkeypatch, empty):
    monkeypatch.setenv("STEADYGAN_DATA", empty)
    monkeypatch.setenv("STEADYGAN_CACHE", empty)
    assert data_root() == Path(platformdirs.user_cache_dir("steadygan")) / "data"


def test_home_is_understood(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("STEADYGAN_DATA", "~/sets")
    (tmp_path / "x").mkdir()
    assert data_root() == tmp_path / "sets"
    assert given_place("~/x", "images") == tmp_path / "x"


@pytest.mark.parametrize(("variable", "ask"), [("STEADYGAN_DATA", data_root), ("STEADYGAN_CACHE", cache_folder)])
def test_a_file_is_no_folder(monkeypatch, tmp_path, variable, ask):
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv(variable, str(tmp_path / "file"))
    with pytest.raises(InputError, match=f"{variable} to name a folder"):
        ask()


@pytest.mark.parametrize("name", ["nothing", "no/way/there", "x" * 5000, "a\0b"])
def test_a_path_that_leads_nowhere(tmp_path, name):
    with pytest.raises(InputError, match=r"expected images at .*: check the path") as caught:
        given_place(tmp_path / name, "images")
    assert "\n" not in str(caught.value)


def test_what_may_not_be_read_is_said(monkeypatch, tmp_path):
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(InputError, match="no permission"):
        given_place(tmp_path, "images")
