"""Which folders are meant, which runs stand together, and what they are called."""

import pytest
from runs_made import run

from steadygan.errors import InputError
from steadygan.recipes import RECIPES
from steadygan.reporting import _place
from steadygan.reporting.groups import grouped
from steadygan.runs.history import history, run_folders


def groups_of(*folders):
    return grouped([history(folder) for folder in folders])


def test_runs_that_differ_in_their_seed_alone_stand_together(tmp_path):
    a = [run(tmp_path / f"a/seed-{seed}", seed=seed) for seed in (0, 1)]
    b = run(tmp_path / "b", recipe="grid25/r1", seed=1)
    first, second = groups_of(a[0], b, a[1])
    assert [r.path for r in first.runs] == a
    assert (first.name, second.name) == ("grid25/far", "grid25/r1, seed 1")
    assert first.called(first.runs[1]) == "grid25/far, seed 1"
    assert first.several
    assert not second.several


def test_a_seed_that_all_runs_have_is_not_part_of_their_names(tmp_path):
    one, other = run(tmp_path / "a", seed=3), run(tmp_path / "b", recipe="grid25/r1", seed=3)
    assert [group.name for group in groups_of(one, other)] == ["grid25/far", "grid25/r1"]
    third = run(tmp_path / "c", recipe="ring8/r1", seed=4)
    assert [group.name for group in groups_of(one, other, third)][1:] == ["grid25/r1, seed 3", "ring8/r1, seed 4"]
    assert [group.name for group in groups_of(one)] == ["grid25/far, seed 3"]


def test_another_setting_or_the_same_seed_keeps_runs_apart(tmp_path):
    other = RECIPES["grid25/far"](1).plain() | {"batch_size": 128}
    folders = [run(tmp_path / "x/one"), run(tmp_path / "x/two", settings=other), run(tmp_path / "y/one")]
    groups = groups_of(*folders)
    assert [group.name for group in groups] == [
        "grid25/far, seed 0 in x/one",
        "grid25/far, seed 1",
        "grid25/far, seed 0 in y/one",
    ]


def test_runs_without_a_recipe_or_settings_are_called_as_their_folder(tmp_path):
    mine = run(tmp_path / "mine", settings={"lr": 1})
    none = run(tmp_path / "none")
    (none / "settings.json").unlink()
    broken = run(tmp_path / "broken")
    (broken / "settings.json").write_text("{")
    groups = groups_of(mine, none, broken)
    assert [group.name for group in groups] == ["mine", "none", "broken"]
    assert "no settings.json" in groups[1].first.notes[0]
    assert "settings.json is not a readable JSON file" in groups[2].first.notes[0]


def test_settings_of_another_version_are_noted_not_refused(tmp_path):
    tree = RECIPES["grid25/far"](0).plain() | {"flux": 3}
    found = history(run(tmp_path / "later", settings=tree))
    assert found.settings is None
    assert found.tree["flux"] == 3
    assert "not from this version" in found.notes[0]


def test_without_a_checkpoint_the_losses_tell_their_equilibrium(tmp_path):
    found = history(run(tmp_path / "bare", equilibrium=None))
    assert found.equilibrium == pytest.approx((1.3862943611, 0.6931471806))
    assert "no checkpoint" in found.notes[0]


def test_a_damaged_checkpoint_gives_way_to_the_one_before(tmp_path):
    folder = run(tmp_path / "hurt", equilibrium=(0.5, None))
    (folder / "checkpoints" / "000000500.pt").write_bytes(b"PK\x03\x04 cut off")
    assert history(folder).equilibrium == (0.5, None)


def test_folders_of_seeds_and_folders_twice(tmp_path):
    seeds = [run(tmp_path / f"far/seed-{seed}", seed=seed) for seed in (0, 2, 10)]
    (tmp_path / "far/seed-3").mkdir()
    folders, notes = run_folders([tmp_path / "far", seeds[1], str(seeds[0])])
    assert folders == seeds
    assert notes == [f"{tmp_path / 'far/seed-3'} is left out: it holds no metrics.jsonl yet"]


def test_where_the_page_goes(tmp_path):
    assert _place(["a"], None).as_posix() == "a/report.html"
    assert _place(["a", "b"], None).as_posix() == "report.html"
    assert _place(["a"], "x.html").as_posix() == "x.html"
    with pytest.raises(InputError, match="expected a file for --out"):
        _place(["a"], tmp_path)
    (tmp_path / "report.html").write_text("<p>my own</p>")
    with pytest.raises(
        InputError, match=r"expected an older report or no file at .*report\.html, got another file: give"
    ):
        _place([tmp_path], None)
    (tmp_path / "report.html").write_text("<footer>Made by steadygan 0.1.0; ")
    assert _place([tmp_path], None) == tmp_path / "report.html"


def test_folders_that_hold_no_run(tmp_path):
    near = run(tmp_path / "runs/grid25-far/seed-0")
    (tmp_path / "empty").mkdir()
    bare = run(tmp_path / "bare")
    (bare / "metrics.jsonl").unlink()
    for folder, words in (
        (tmp_path / "missing", "found no such folder: check the path"),
        (tmp_path / "empty", "use the folder that train printed"),
        (tmp_path / "runs", f"did you mean {near}"),
        (bare, f"expected metrics.jsonl in '{bare}', found none: continue training, --out {bare} --resume"),
        (near / "metrics.jsonl", f"use {near}"),
    ):
        with pytest.raises(InputError) as caught:
            run_folders([folder])
        assert words in str(caught.value)
        assert str(folder) in str(caught.value)


@pytest.mark.parametrize(("lines", "words"), [([], "an empty file"), (["x", "y"], "2 that cannot be read")])
def test_no_record_that_can_be_read(tmp_path, lines, words):
    with pytest.raises(InputError, match=words):
        history(run(tmp_path / "none", rows=lines))
