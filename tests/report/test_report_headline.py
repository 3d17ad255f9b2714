"""What stands first: how a run stands and why, the figures of it, and which curves show it."""

import pytest
from runs_made import records, run

from steadygan.diagnostics.causes import CAUSES
from steadygan.diagnostics.verdicts import judge
from steadygan.quantities import KNOWN
from steadygan.reporting.captions import CAPTIONS, caption
from steadygan.reporting.groups import grouped
from steadygan.reporting.headline import headline_figures, reason, states
from steadygan.runs.history import history

BLANK = "\u00a0"


def groups_of(tmp_path, *rows, seeds=False):
    kind = {} if seeds else {"recipe": None}
    names = ("grid25/far", "grid25/r1", "grid25/nsgan")
    folders = [
        run(tmp_path / str(i), own, names[0 if kind == {} else i], seed=i if seeds else 0) for i, own in enumerate(rows)
    ]
    return grouped([history(folder) for folder in folders])


def judged(*verdicts, **columns):
    """A record for each verdict: a state, or a state with more."""
    told = [{"verdict": each} if isinstance(each, str) else each for each in verdicts]
    return [row | told[i] for i, row in enumerate(records(len(told), **columns))]


def test_a_verdict_is_taken_apart_as_the_monitor_makes_it(tmp_path):
    """Its reason has what was seen, since when, and what helps."""
    values = [0.3, 0.6, 0.9, 0.9, 0.9, 0.9, 0.2, 0.2, 0.2]
    looks = [
        {"iteration": 100 * i, "quality": v, "quality_error": 0.02, "steepness": 20.0 if i > 5 else 1.0}
        for i, v in enumerate(values)
    ]
    rows = [look | verdict.record() for look, verdict in zip(looks, judge(looks), strict=True)]
    ((group,)) = groups_of(tmp_path, rows)
    (state,) = states(group)
    assert (state.word, state.tone, state.since, state.alarm) == ("collapsed (D steep)", "bad", "600", "")
    assert state.seen.startswith(
        "fakes have a quality of 0.2 after 0.9 (1 is as good as real data); D's slope at the fakes explodes: 20"
    )
    assert "iteration" not in state.seen
    assert state.advice == judge(looks)[-1].advice != ""


def test_a_verdict_without_a_reason_is_told_in_plain_words(tmp_path):
    (group,) = groups_of(tmp_path, judged("learning", "good", "good", quality=0.9, average_quality=0.95))
    (state,) = states(group)
    assert (state.word, state.tone, state.since, state.advice) == ("good", "good", "100", "")
    assert state.seen == (
        "its samples are close to real data, and no cause of failure was found. Its quality is 0.950, where 1 is as "
        "good as real data"
    )


def test_alarms_that_are_over_are_not_forgotten(tmp_path):
    (group,) = groups_of(tmp_path, judged("good", "losing", "good", "collapsed", "losing", "good"))
    assert states(group)[0].before == "The last of 3 earlier alarms ended at iteration 500."
    (group,) = groups_of(tmp_path / "b", judged("good", "losing", "losing"))
    assert states(group)[0].before == ""


def test_a_loss_that_began_before_its_alarm_gives_both_iterations(tmp_path):
    lost = {"verdict": "losing", "reason": "less (since iteration 100): r1=1"}
    (group,) = groups_of(tmp_path, judged("good", "good", "good", lost, lost))
    (state,) = states(group)
    assert (state.since, state.alarm) == ("100", "300")


def test_a_reason_of_another_kind_stays_as_it_is(tmp_path):
    (group,) = groups_of(tmp_path, judged("good", {"verdict": "collapsed", "reason": "3 of 64 (was 20): bad"}))
    (state,) = states(group)
    assert (state.seen, state.since, state.advice) == ("3 of 64 (was 20): bad", "100", "")
    assert states(groups_of(tmp_path / "b", records(3, d_loss=1.0))[0]) == []


def test_seeds_that_stand_alike_are_told_together(tmp_path):
    def lost(told, at):
        return {"verdict": "losing", "reason": f"{told} (since iteration {at}): {told} helps"}

    rows = [judged("learning", "good", quality=0.9), judged("good", quality=0.8)]
    rows += [judged(lost("less", 500)), judged(lost("little", 1500))]
    (group,) = groups_of(tmp_path, *rows, seeds=True)
    losing, good = states(group)
    assert (good.word, good.seeds, good.since) == ("good", "seeds 0, 1", "0 to 100")
    assert good.seen == "its samples are close to real data, and no cause of failure was found"
    assert (losing.word, losing.seeds, losing.since) == ("losing", "seeds 2, 3", "500 to 1,500")
    assert (losing.seen, losing.advice) == ("seed 2: less", "")  # of the other seeds the events tell


def test_few_figures_stand_first_with_final_best_and_real_data(tmp_path):
    columns = {"quality": lambda i: 0.5 + i / 1000 if i < 300 else 0.2, "balance": 0.5, "modes": lambda i: i / 100}
    rows = records(5, **columns, fid=9.0, precision=0.5, recall=0.5, energy_distance=1.0, served=0.5)
    found = headline_figures(groups_of(tmp_path, rows))
    assert [each.key for each in found] == ["quality", "modes", "fid", "precision", "recall"]
    quality = found[0].cells[0]
    assert (quality.final, quality.best, quality.at) == (f"20.0{BLANK}%", f"70.0{BLANK}%", "200")
    assert found[0].label == "Quality"
    assert (quality.real, found[0].real) == (f"100.0{BLANK}%", f"100.0{BLANK}%")
    assert found[1].real == ""


def test_a_loop_s_figures_are_the_monitor_s_own(tmp_path):
    rows = records(3, quality=0.5, covered=0.4, served=0.6, diversity=0.9, d_loss=1.0)
    assert [each.key for each in headline_figures(groups_of(tmp_path, rows))] == [
        *("quality", "served", "covered", "diversity")
    ]
    rows = records(3, quality=0.5, average_quality=0.6, average_served=0.6, served=0.6)
    found = headline_figures(groups_of(tmp_path / "b", rows))
    assert [each.key for each in found] == ["average_quality", "average_served"]


def test_figures_of_runs_that_lack_them_are_left_out(tmp_path):
    found = headline_figures(groups_of(tmp_path, records(3, modes=5), records(3, quality=0.5)))
    assert [(each.key, sorted(each.cells)) for each in found] == [("quality", [1]), ("modes", [0])]


@pytest.mark.parametrize(
    ("last", "title", "keys"),
    [
        ({"verdict": "losing", "causes": "d_steep", "reason": "x"}, "What raised the alarm", ["quality", "steepness"]),
        (
            {"verdict": "losing", "causes": "g_driven_out", "reason": "fakes cover 5% of what they should"},
            "What raised the alarm",
            ["covered", "diversity"],
        ),
        ({"verdict": "non_finite"}, "What raised the alarm", ["non_finite", "d_loss"]),
        ({"verdict": "good", "causes": "d_too_strong"}, "What the warning is about", ["d_off", "quality"]),
        ({"verdict": "good"}, "How good it became", ["quality", "modes"]),
        ({}, "How good it became", ["quality", "modes"]),
    ],
)
def test_the_curves_that_show_why(tmp_path, last, title, keys):
    columns = dict.fromkeys(("quality", "covered", "steepness", "diversity", "d_off", "d_loss", "non_finite"), 0.5)
    rows = records(3, **columns, modes=4)
    rows[-1] |= last
    found = reason(groups_of(tmp_path, rows))
    assert (found.title, list(found.keys)) == (title, keys)


def test_every_cause_can_be_shown():
    assert {key for cause in CAUSES for key in cause.keys} <= KNOWN.keys() | {"data_changed"}


def test_every_chart_is_explained_in_a_sentence_and_has_a_unit_in_words():
    assert CAPTIONS.keys() == KNOWN.keys()
    for key, quantity in KNOWN.items():
        told = caption(key)
        assert told.endswith(".")
        assert 30 < len(told) <= 110
        assert quantity.unit
        assert "equilibria" not in quantity.unit
        assert " / " not in quantity.unit
    assert len(set(CAPTIONS.values())) == len(CAPTIONS)
    assert caption("class_7") == "Share of the samples that the judging network assigns to class 7."
    assert len({caption(key) for key in ("penalty/r1", "loss/mine", "zeta")}) == 3
