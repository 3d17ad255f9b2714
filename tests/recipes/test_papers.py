"""The papers' tables: rows that differ by what the paper varies, rules with known answers, recipes that train."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

import pictures
from steadygan.config import Settings, override
from steadygan.errors import InputError
from steadygan.recipes import RECIPES, build
from steadygan.recipes.papers import TABLES, table_named
from steadygan.recipes.papers.verdict import effect, published_effect, verdict
from steadygan.runs.settings import difference

ROWS = {table.recipe(row): (table, row) for table in TABLES.values() for row in table.rows}
FAST = ("zero-gp-mnist",)  # whose first row takes little
PLACES = {
    "cifar10": pictures.photographs,
    "cifar100": lambda folder: pictures.photographs(folder, classes=100, each=1),
    "mnist": pictures.mnist,
    "stacked_mnist": pictures.mnist,
    "tiny_imagenet": pictures.tiny_imagenet,
    "imagenet64": lambda folder: pictures.photographs(folder, size=64),
}
HOUSE = ("stacked-mnist",)  # trained as the data set's recipes are, with an average of G
VARIED = {  # what a claim's two rows may differ in, by the paper
    "fargan": {"method"},
    "zero-gp": {"penalty"},
    "sdp": {"method"},
}


def tops(one: Settings, other: Settings) -> set[str]:
    return {key.partition(".")[0] for key, _, _ in difference(one, other)} - {"recipe"}


def test_every_row_is_a_recipe_in_both_scales() -> None:
    assert len(ROWS) >= 80
    for name in ROWS:
        for scale in ("full", "small"):
            settings = RECIPES[name](2, scale)
            assert (settings.recipe, settings.seed) == (name, 2)
            assert (settings.ema is None) == (ROWS[name][0].name not in HOUSE)


@pytest.mark.parametrize("table", [table for table in TABLES.values() if table.paper in VARIED], ids=lambda t: t.name)
@pytest.mark.parametrize("scale", ["full", "small"])
def test_the_rows_of_a_claim_differ_by_what_it_is_about(table, scale: str) -> None:  # type: ignore[no-untyped-def]
    for claim in table.claims:
        better, worse = (RECIPES[f"paper/{table.paper}/{name}"](0, scale) for name in (claim.better, claim.worse))
        assert tops(better, worse) == VARIED[table.paper], claim.text


def test_small_is_narrower_and_shorter_and_nothing_else() -> None:
    allowed = {
        "scale",
        "generator",
        "discriminator",
        "opponents",
        "horizon",
        "evaluate",
        "checkpoint_every",
        "log_every",
    }
    for name, (table, _) in ROWS.items():
        more = {"lr_g", "ema"} if table.name in HOUSE else set()
        assert tops(RECIPES[name](), RECIPES[name](0, "small")) <= allowed | {"method"} | more, name


@pytest.mark.parametrize(
    ("table", "row", "figure", "printed"),
    [
        ("fargan-table2", "cifar10-resnet-ns-far", "fid", "17.82 ± 0.33"),
        ("fargan-table2", "cifar100-conv-ns-0gp", "inception_score", "6.92"),
        ("sdp-table1", "cifar10-wgan-gp-fast-plain", "fid", "116.69"),
        ("dual-table1", "ours", "inception_score", "7.47"),
        ("dual-table2", "ours", "inception_score", "7.65"),  # the best run, beside single ones
    ],
)
def test_published_numbers(table: str, row: str, figure: str, printed: str) -> None:
    assert str(table_named(table).row(row).published[figure]) == printed


def test_the_ratio_that_fargan_claims() -> None:
    """17.82 / 24.22 = .736: a published effect of 26.4 %."""
    table = table_named("fargan-table2")
    assert published_effect(table, table.claims[0]) == pytest.approx(1 - 17.82 / 24.22)


def test_settings_of_fargans_rows() -> None:
    far, plain = RECIPES["paper/fargan/cifar10-resnet-ns-far"](), RECIPES["paper/fargan/cifar10-resnet-ns-0gp"]()
    assert (far.horizon, far.batch_size, far.lr_g, far.optimizer.name, far.optimizer.alpha) == (
        *(500_000, 64, 1e-4),
        *("rmsprop", 0.99),
    )
    assert (far.method["fake_as_real"].count, far.method["fake_as_real"].factor, far.penalty["r1"].weight) == (
        32,
        8,
        10.0,
    )
    assert not plain.method


def test_0_gps_weight_is_on_our_pixels() -> None:
    """Their images are (x - .1307) / .3081 of [0, 1]: a gradient in ours is 2 * .3081 times theirs."""
    weight = RECIPES["paper/zero-gp/mnist-zero-gp-beta5-10k"]().penalty["zero_gp"].weight
    assert weight == pytest.approx(100 * (2 * 0.3081) ** 2, abs=0.01) == pytest.approx(38, abs=0.1)


def test_stacked_mnist_is_the_literatures_protocol() -> None:
    """26,000 samples of 1,000 modes, by six methods on one set of settings."""
    table = table_named("stacked-mnist")
    assert [row.name for row in table.rows] == ["nsgan", "r1", "far", "rpgan", "pacgan", "dual"]
    assert table.printed == ("mode_kl", "modes")
    for row in table.rows:
        for scale in ("full", "small"):
            settings = RECIPES[table.recipe(row)](0, scale)
            assert (settings.evaluate.n, settings.data.modes) == (26_000, 1000)
            known = RECIPES[f"stacked-mnist/{row.name}"](0, scale)
            assert tops(settings, known) <= {"horizon", "evaluate", "checkpoint_every"}
    assert published_effect(table, table.claims[0]) == pytest.approx(1 - 0.06 / 3.40)
    assert RECIPES["paper/stacked-mnist/rpgan"].paper == "huang2024"


@pytest.mark.parametrize(
    ("known", "figure", "taken"),
    [
        ({"fid", "frechet"}, "fid", "fid"),
        ({"frechet", "energy_distance"}, "fid", "frechet"),
        ({"energy_distance"}, "fid", "energy_distance"),
        ({"class_score", "energy_distance"}, "inception_score", "class_score"),
        ({"energy_distance"}, "inception_score", "inception_score"),  # a distance is no score
        (set(), "fid", "fid"),
    ],
)
def test_what_stands_for_a_printed_figure(known: set[str], figure: str, taken: str) -> None:
    assert table_named("fargan-table2").measured(figure, known) == taken


class TestVerdict:
    """Lower is better for fid: means 20 and 10 are an effect of a half."""

    WORSE, BETTER = [19.0, 20.0, 21.0], [9.0, 10.0, 11.0]

    def test_effect(self) -> None:
        assert effect("fid", self.WORSE, self.BETTER) == 0.5
        assert effect("inception_score", self.BETTER, self.WORSE) == 1.0
        assert effect("balance", [0.5], [1.2]) == pytest.approx(0.6)

    @pytest.mark.parametrize(
        ("better", "worse", "published", "same", "word"),
        [
            (BETTER, WORSE, 0.3, False, "reproduced"),
            (BETTER, WORSE, 1.0, False, "reproduced"),  # half of it is enough
            (BETTER, WORSE, 1.1, False, "in the same direction"),
            (BETTER, WORSE, None, False, "reproduced"),
            (WORSE, BETTER, 0.3, False, "not reproduced"),
            ([18.0, 20.0, 23.0], WORSE, 0.3, False, "within the noise"),
            ([18.0, 20.0, 23.0], WORSE, None, True, "reproduced"),
            (BETTER, WORSE, None, True, "not reproduced"),
            ([10.0], WORSE, 0.3, False, "not comparable"),
            ([], WORSE, 0.3, False, "not comparable"),
        ],
    )
    def test_words(self, better, worse, published, same: bool, word: str) -> None:  # type: ignore[no-untyped-def]
        assert verdict("fid", better, worse, published, same) == word

    def test_the_noise_is_two_standard_errors(self) -> None:
        """Deviations of 1 over three seeds each: 2 sqrt(2 / 3) = 1.633."""
        for shift, word in ((1.60, "within the noise"), (1.66, "reproduced")):
            better = [value - shift for value in self.WORSE]
            assert verdict("fid", better, self.WORSE, None) == word


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: table_named("fargan-tabel2"), "did you mean 'fargan-table2'"),
        (lambda: table_named("fargan-table2").row("cifar10-resnet-ns-fra"), "did you mean 'cifar10-resnet-ns-far'"),
    ],
)
def test_unknown_names(call, told: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match=told):
        call()


def test_rows_are_named_once() -> None:
    for table in TABLES.values():
        names = [row.name for row in table.rows]
        assert len(set(names)) == len(names)
        assert {*itertools.chain(*((claim.better, claim.worse) for claim in table.claims))} <= set(names)


QUICK = ("evaluate.n=100", "evaluate.features=none", "device=cpu", "threads=1", "compile=off", "batch_size=8")


@pytest.mark.parametrize(
    ("name", "row"),
    [
        pytest.param(table.name, row.name, marks=[pytest.mark.slow] * (i > 0 or table.name not in FAST), id=row.name)
        for table in TABLES.values()
        for i, row in enumerate(table.rows)
    ],
)
def test_a_row_trains_and_goes_on(name: str, row: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEADYGAN_CACHE", str(tmp_path / "cache"))
    settings = RECIPES[table_named(name).recipe(table_named(name).row(row))](0, "small")
    path = PLACES[settings.data.name](tmp_path / "data")
    more = ["method.fake_as_real.count=2"] if "fake_as_real" in settings.method else []
    settings = override(settings, [*QUICK, *more, f"data.path={path}"])
    build.trainer(settings, tmp_path / "run").fit(2)
    run = build.trainer(settings, tmp_path / "run", resume=True).fit(3)
    assert (run.iteration, run.failure) == (3, None)
    assert run.settings["recipe"].endswith(row)
