"""Figures over seeds, which of them may be compared, and where settings differ."""

import pytest
from runs_made import records, run

from steadygan.metrics import Protocol
from steadygan.metrics.protocol import together
from steadygan.quantities import KNOWN, figure, plain, quantities, spread
from steadygan.recipes import RECIPES
from steadygan.reporting.groups import grouped
from steadygan.reporting.tables import differing, figures, settings
from steadygan.runs.history import history

BLANK = "\u00a0"


def groups_of(*folders):
    return grouped([history(folder) for folder in folders])


def protocol(**changes):
    return {"modes": Protocol("within 3 std", n_fake=10_000, real="grid25, drawn anew").made(**changes).plain()}


def test_final_and_best_over_seeds(tmp_path):
    rows = [records(4, high_quality=lambda i, s=s: 0.5 + 0.1 * s + (0.2 if i == 100 * (s + 1) else 0)) for s in (0, 1)]
    folders = [run(tmp_path / f"seed-{s}", rows=rows[s], seed=s, reference={"high_quality": 0.99}) for s in (0, 1)]
    (found,) = figures(groups_of(*folders))
    (cell,) = found.cells
    assert found.label == "High-quality share"
    assert cell.final == f"55.0 ±{BLANK}7.1{BLANK}%"
    assert cell.best == f"75.0 ±{BLANK}7.1{BLANK}%"
    assert cell.at == "100 to 200"
    assert cell.real == f"99.0{BLANK}%"
    assert (cell.peak, found.unlike) == ("", "")


def test_gradients_have_a_peak(tmp_path):
    rows = records(4, gradient_max=lambda i: {0: 9.0, 100: 3.0, 200: 7.0, 300: 5.0}[i])
    (found,) = figures(groups_of(run(tmp_path / "run", rows=rows)))
    (cell,) = found.cells
    assert (cell.final, cell.best, cell.at, cell.peak, cell.peak_at) == ("5.00", "3.00", "100", "7.00", "200")


def test_figures_of_one_protocol_may_be_compared_and_of_others_not(tmp_path):
    rows = records(3, modes=5)
    one = run(tmp_path / "a", rows=rows, protocols=protocol())
    same = run(tmp_path / "b", rows=rows, recipe="grid25/r1", protocols=protocol())
    other = run(
        tmp_path / "c", rows=rows, recipe="ring8/far", protocols=protocol(real="ring8, drawn anew", n_fake=2500)
    )
    assert figures(groups_of(one, same))[0].unlike == ""
    told = figures(groups_of(one, same, other))[0].unlike
    assert "n fake: 2,500 in ring8/far, 10,000 in grid25/far" in told
    assert "real: ring8, drawn anew in ring8/far, grid25, drawn anew in grid25/far" in told


def test_without_protocols_the_settings_say_whether_data_differs(tmp_path):
    rows = records(3, modes=5, gradient_mean=1.0)
    one, same = run(tmp_path / "a", rows=rows), run(tmp_path / "b", rows=rows, recipe="grid25/r1")
    other = run(tmp_path / "c", rows=rows, recipe="ring8/far")
    assert [f.unlike for f in figures(groups_of(one, same))] == ["", ""]
    assert [f.unlike for f in figures(groups_of(one, other))] == ["data: grid25, ring8"] * 2
    known = run(tmp_path / "d", rows=rows, recipe="grid25/nsgan", protocols=protocol())
    assert figures(groups_of(one, known))[0].unlike == "how it was measured in grid25/far is not known"


def test_how_it_was_measured(tmp_path):
    assert "within 3 std" in together(groups_of(run(tmp_path / "a", protocols=protocol()))[0].first.protocols)
    assert together(groups_of(run(tmp_path / "b"))[0].first.protocols) == ""


def test_settings_that_differ(tmp_path):
    far = [run(tmp_path / f"far-{s}", seed=s) for s in (0, 1)]
    other = RECIPES["grid25/far"](0).plain() | {"batch_size": 128, "threads": 7}
    groups = groups_of(*far, run(tmp_path / "big", settings=other))
    assert differing(groups) == [("batch_size", ["64", "128"]), ("seed", ["0, 1", "0"])]
    assert differing(groups[:1]) == []
    assert ("seed", "0, 1") in settings(groups[0])
    assert ("optimizer.betas", "0.5, 0.9") in settings(groups[0])
    assert ("lr_d", "none") in settings(groups[0])


def test_quantities_stand_in_their_groups():
    found = quantities(
        ["iteration", "zeta", "class_3", "modes", "d_loss", "weight_norm_g", "penalty/r1", "close_pairs"]
    )
    assert {group: [q.key for q in own] for group, own in found.items()} == {
        "Quality": ["modes"],
        "Losses": ["d_loss"],
        "Coverage and balance": ["close_pairs"],
        "Weights": ["weight_norm_g"],
        "Other terms": ["zeta", "penalty/r1"],
        "Classes": ["class_3"],
    }
    assert all(quantity.unit and quantity.label for own in found.values() for quantity in own)


def test_what_a_run_records_of_its_batches_has_a_place():
    keys = ["separation", "batch_balance", "batch_coverage", "batch_distance", "steepness", "d_loss_std", "g_loss_std"]
    found = {group: [q.key for q in own] for group, own in quantities(keys).items()}
    assert found == {
        "Losses": ["d_loss_std", "g_loss_std"],
        "Gradients": ["steepness"],
        "Coverage and balance": ["batch_distance", "batch_balance", "batch_coverage"],
        "D's outputs": ["separation"],
    }
    assert [key for key in keys if KNOWN[key].log] == ["steepness"]
    assert [key for key in keys if KNOWN[key].ideal is not None] == ["batch_balance", "batch_distance"]
    assert (KNOWN["batch_balance"].ideal, figure("batch_coverage", 0.5)) == (1.0, f"50.0{BLANK}%")


def test_all_known_figures_have_a_place():
    from steadygan.metrics import BETTER

    assert set(BETTER) <= set(KNOWN)


@pytest.mark.parametrize(
    ("value", "words"), [(0.0, "0.000"), (0.84249, "0.842"), (3.14159, "3.14"), (31.4159, "31.4"), (2e6, "2.0e+06")]
)
def test_numbers(value, words):
    assert plain(value) == words


def test_numbers_of_their_kind():
    assert figure("modes", 25.0) == "25"
    assert figure("modes", 24.5) == "24.5"
    assert figure("recall", 0.1234) == f"12.3{BLANK}%"
    assert spread("fid", [1.0, 2.0, 6.0]) == f"3.00 ±{BLANK}2.65"
    assert spread("fid", [1.0]) == "1.00"
