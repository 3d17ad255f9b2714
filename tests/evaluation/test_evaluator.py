"""The evaluator: which figures come out for which data, the same every time, and what its protocol says."""

import math

import pytest
import torch

from steadygan.data import DATA, from_user
from steadygan.errors import InputError, NonFiniteError
from steadygan.metrics import BETTER, Evaluator, balance, best, class_modes, energy_distance, mixture_modes

BASIC = {"balance", "balance_tv", "energy_distance"}
MODES = {"modes", "high_quality", "emptiest_mode", "mode_kl"}
LITERATURE = {"veegan_modes", "veegan_high_quality"}
CLASSES = {f"class_{k}" for k in range(10)}


def build(source, **changes):
    return Evaluator.build(
        source.train, source.unseen, source.centres, source.std, source.held_out, source.held_out_label, **changes
    )


def draw(source, n=2000, seed=99):
    return source.fresh(n, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("source", "keys"),
    [
        (DATA["gaussian"](), BASIC),
        (DATA["swissroll"](), BASIC),
        (DATA["ring8"](), BASIC | MODES),
        (DATA["grid25"](n=500), BASIC | MODES),
        (DATA["digits"](), BASIC | MODES | CLASSES),
        (from_user(torch.randn(300, 3, generator=torch.Generator().manual_seed(0))), BASIC),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_figures_that_apply(source, keys):
    evaluator = build(source, n=2000)
    figures = evaluator(draw(source))
    assert set(figures) == keys
    assert all(math.isfinite(value) for value in figures.values())
    assert evaluator.n == 2000
    assert evaluator(draw(source)) == figures
    assert build(source, n=2000)(draw(source)) == figures  # the references hang on the seed alone
    if source.held_out is None:  # held-out data is used as it is, nothing is drawn
        assert build(source, n=2000, seed=1)(draw(source)) != figures


def test_parts_are_the_functions():
    source = DATA["grid25"]()
    evaluator, x = build(source, n=1500), draw(source, 1500)
    figures = evaluator(x)
    reference = torch.Generator().manual_seed(0)
    fresh = source.fresh(1500, reference)
    cells = source.fresh(1000, reference)
    assert figures == {
        **mixture_modes(x, source.centres, source.std),
        **balance(x, cells, fresh),
        "energy_distance": energy_distance(x, fresh),
    }


def test_real_data_does_well():
    for name in ("gaussian", "ring8", "grid25", "swissroll", "two_gaussians"):
        source = DATA[name]()
        figures = build(source)(draw(source, 10_000))
        assert figures["balance"] == pytest.approx(1.0, abs=0.025)
        assert figures["energy_distance"] < 2e-3
        if source.centres is not None:
            assert figures["modes"] == len(source.centres)


def test_collapse_does_badly():
    source = DATA["ring8"]()
    x = draw(source, 10_000)
    one = x[torch.cdist(x, source.centres).argmin(1) == 3]
    figures = build(source)(one)
    assert figures["modes"] == 1
    assert figures["emptiest_mode"] == 0.0
    assert figures["balance"] < 0.2
    assert figures["energy_distance"] > 0.5


def test_digits_figures_by_hand():
    source = DATA["digits"]()
    evaluator = build(source)
    zeros_and_ones = source.held_out[source.held_out_label < 2]
    figures = evaluator(zeros_and_ones)
    shares = source.held_out_label[source.held_out_label < 2].bincount() / len(zeros_and_ones)
    assert figures["class_0"] == pytest.approx(float(shares[0]))
    assert figures["class_2"] == figures["emptiest_mode"] == 0.0
    assert figures["modes"] == 2
    assert figures["high_quality"] == 1.0
    expected = class_modes(
        source.held_out_label[source.held_out_label < 2], 10, source.held_out_label.bincount(minlength=10)
    )
    assert figures["mode_kl"] == pytest.approx(expected["mode_kl"])


def test_digits_quality_is_that_of_99_percent_of_the_training_images():
    source = DATA["digits"]()
    evaluator = build(source)
    assert evaluator(source.train)["high_quality"] == pytest.approx(0.99, abs=0.001)
    noise = torch.rand(500, 1, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    assert evaluator(noise)["high_quality"] == 0.0
    nearest = torch.cdist(source.train.flatten(1).double(), source.held_out.flatten(1).double()).min(1).values
    assert f"within {float(nearest.quantile(0.99)):.4g} of a held-out sample" in evaluator.protocol


def test_digits_real_images_are_balanced():
    # half of the held-out images against the other half: both unseen, so as even as each other
    source = DATA["digits"]()
    evaluator = Evaluator.build(source.train, None, None, None, source.held_out[::2])
    assert evaluator(source.held_out[1::2])["balance"] == pytest.approx(1.0, abs=0.05)


def test_only_a_training_set():
    # fakes of the same distribution must not look unbalanced because the reference was the training set itself
    ring = DATA["ring8"](n=2000, seed=1)
    evaluator = Evaluator.build(ring.train, None)
    figures = evaluator(draw(ring, 5000))
    assert figures["balance"] == pytest.approx(1.0, abs=0.03)
    assert "1,000 training samples as cells, against 1,000 others" in evaluator.protocol
    assert evaluator.protocols["energy_distance"].n_real == 2000


def test_large_training_sets_are_thinned_out_and_it_is_said():
    ring = DATA["ring8"](n=5000)
    evaluator = build(ring, n=1000)
    assert "2,000 training samples as cells" in evaluator.protocol
    lone = Evaluator.build(ring.train, None, n=1000)
    assert "2,000 training samples as cells, against 1,000 others" in lone.protocol


def test_protocol_is_one_line_that_names_what_matters():
    protocol = build(DATA["ring8"]()).protocol
    named = (
        "fakes: 10,000",
        "1,000 real samples",
        "10,000 fresh",
        "3 std",
        "20 per 2,500",
        "all pairs",
        "references 0",
    )
    for words in named:
        assert words in protocol
    assert "\n" not in protocol
    digits = build(DATA["digits"]()).protocol
    for words in ("599 held-out", "99 %", "1,198 training samples"):
        assert words in digits


def test_the_host_is_left_as_it_was():
    before, grad = torch.random.get_rng_state(), torch.is_grad_enabled()
    source = DATA["ring8"]()
    build(source, n=200)(draw(source, 200).requires_grad_())
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.is_grad_enabled() == grad


def test_other_dtypes_are_taken():
    source = DATA["ring8"]()
    evaluator, x = build(source, n=500), draw(source, 500)
    assert evaluator(x.double()) == evaluator(x)
    moved = source.to("cpu", torch.float64)
    assert build(moved, n=500)(x) == evaluator(x)


def test_non_finite_samples_stop_it():
    source = DATA["gaussian"]()
    x = draw(source, 100)
    x[3, 0] = float("nan")
    x[7, 1] = float("inf")
    with pytest.raises(NonFiniteError, match="2 of 100"):
        build(source, n=100)(x)


def test_wrong_samples():
    evaluator = build(DATA["ring8"](), n=100)
    for samples in (torch.zeros(0, 2), torch.zeros(5, 3), torch.zeros(5)):
        with pytest.raises(InputError):
            evaluator(samples)


def test_nothing_to_measure_against():
    with pytest.raises(InputError, match="real samples"):
        Evaluator.build(None, None)
    with pytest.raises(InputError, match="training samples"):
        Evaluator.build(None, None, held_out=torch.zeros(3, 2))
    with pytest.raises(InputError, match="at least 2"):
        Evaluator.build(torch.zeros(1, 2), None)
    with pytest.raises(InputError, match="n=0"):
        Evaluator.build(torch.zeros(5, 2), None, n=0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("name", ["ring8", "gaussian", "digits"])
def test_a_gpu_gives_the_same_figures(name):
    source = DATA[name]()
    x = draw(source)
    here, there = build(source, n=2000, device="cpu")(x), build(source.to("cuda"), n=2000, device="cuda")(x.cuda())
    assert there == pytest.approx(here, abs=1e-4)


def test_best_of_a_run():
    assert best("modes", [3, 8, 8, 7]) == 1
    assert best("energy_distance", [0.5, 0.1, 0.3]) == 1
    assert best("balance", [0.2, 1.3, 0.9]) == 2
    assert best("balance", [float("nan"), 0.2, 0.2]) == 1
    assert best("mode_kl", [float("nan"), math.inf]) == 1
    assert best("mode_kl", [float("nan"), float("nan")]) == 0


def test_best_of_the_unknown():
    with pytest.raises(InputError, match="class_3"):
        best("class_3", [0.1])
    with pytest.raises(InputError, match="at least one"):
        best("modes", [])


def test_every_figure_of_samples_has_a_better_side():
    assert set(BETTER) >= BASIC | MODES | LITERATURE
