"""`steadygan report` as a user types it."""

import json

import pytest

RECORDS = "".join(f'{{"iteration": {i}, "d_loss": 1.2, "g_loss": 0.8}}\n' for i in (0, 100, 200))


def made(folder, seed=0):
    folder.mkdir(parents=True)
    (folder / "metrics.jsonl").write_text(RECORDS)
    (folder / "settings.json").write_text(json.dumps({"batch_size": 64, "seed": seed}))
    return folder


def test_pages_and_refusals(tmp_path, commands):
    made(tmp_path / "one")
    for seed in (0, 1):
        made(tmp_path / f"far é/seed-{seed}", seed)
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare/settings.json").write_text("{}")
    one, several, named, missing, bare, folder = commands(
        [
            ["report", "one"],
            ["report", "one", "far é"],
            ["report", "far é", "--out", "pages/é.html"],
            ["report", "nothing"],
            ["report", "one", "bare"],
            ["report", "one", "--out", "bare"],
        ],
        tmp_path,
    )
    for answer, place in ((one, "one/report.html"), (several, "report.html"), (named, "pages/é.html")):
        assert answer.code == 0, answer.err
        assert answer.out == f"report: {place}\n"
        assert (tmp_path / place).stat().st_size < 10_000_000
    assert missing.refused() == "expected a run in 'nothing', found no such folder: check the path"
    assert bare.refused().startswith("expected metrics.jsonl in 'bare', found none")
    assert folder.refused().startswith("expected a file for --out, got the folder 'bare'")


@pytest.mark.parametrize("words", [["report"], ["report", "--follow", "one"]])
def test_what_is_missing_or_unknown_is_refused(tmp_path, command, words):
    command(*words, cwd=tmp_path).refused()
