"""The papers' tables: rows that differ by what the paper varies, rules with known answers, recipes that train."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

import pictures
from steadygan.commands.train import unlike_the_paper
from steadygan.config import Settings, override
from steadygan.errors import InputError
from steadygan.quantities import percent
from steadygan.recipes import RECIPES, build
from steadygan.recipes.papers import ROWS_OF, TABLES, table_named
from steadygan.recipes.papers.verdict import effect, published_effect, verdict
from steadygan.runs import samples
from steadygan.runs.settings import difference
from steadygan.training import probes
from steadygan.training.probes import Probes

ROWS = {table.recipe(row): (table, row) for table in TABLES.values() for row in table.rows}
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
BESIDES = (("fargan-figure1", {"method", "penalty"}), ("zero-gp-figure1", {"data", "fakes", "penalty"}))


def tops(one: Settings, other: Settings) -> set[str]:
    return {key.partition(".")[0] for key, _, _ in difference(one, other)} - {"recipe"}


def test_every_row_is_a_recipe_in_both_scales() -> None:
    assert len(ROWS) >= 100
    for name in ROWS:
        for scale in ("full", "small"):
            settings = RECIPES[name](2, scale)
            assert (settings.recipe, settings.seed) == (name, 2)
            assert (settings.ema is None) == (ROWS[name][0].name not in HOUSE)


@pytest.mark.parametrize("table", [table for table in TABLES.values() if table.paper in VARIED], ids=lambda t: t.name)
@pytest.mark.parametrize("scale", ["full", "small"])
def test_the_rows_of_a_claim_differ_by_what_it_is_about(table, scale: str) -> None:  # type: ignore[no-untyped-def]
    for claim in table.claims:
        names = (table.recipe(table.row(name)) for name in (claim.better, claim.worse))
        varied = tops(*(RECIPES[name](0, scale) for name in names))
        assert varied == VARIED[table.paper] or (table.name, varied) in BESIDES, claim.text


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


def test_the_dual_papers_gans_have_equal_networks() -> None:
    """All of table 1 but BEGAN, whose D is an autoencoder, have chainer-gan-lib's D with what each needs at its end."""
    judges = {
        row.name: [judge.discriminator for judge in RECIPES[f"paper/dual/{row.name}"]().judges().values()]
        for row in table_named("dual-table1").rows
    }
    assert {name for name, own in judges.items() if {judge.name for judge in own} != {"dual"}} == {"began"}
    assert judges["cramer"][0].embedding == 256
    assert judges["dfm"][0].denoiser == 2048
    assert [judge.minibatch_discrimination for judge in judges["ours"]] == [100, 0]
    widths = {judge.width for name, own in judges.items() if name != "began" for judge in own}
    assert widths == {64}


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


def test_recipes_that_are_named_after_a_paper_say_what_they_have_otherwise() -> None:
    for ours, row in ROWS_OF.items():
        assert row in ROWS
        assert RECIPES[ours]().data.name == RECIPES[row]().data.name
        assert unlike_the_paper(RECIPES[ours]()).startswith(f"the paper's own row: {row}; settings that differ here: ")
    assert unlike_the_paper(RECIPES["cifar10/far"]()).partition("differ here: ")[2] == (
        "data, discriminator, ema, generator, horizon, lr_g, optimizer, schedule"
    )
    assert unlike_the_paper(RECIPES["grid25/far"]()) == ""
    assert unlike_the_paper(RECIPES["paper/fargan/cifar10-resnet-ns-far"]()) == ""


class TestVerdict:
    """Lower is better for fid: means 20 and 10 are an effect of a half."""

    WORSE, BETTER = [19.0, 20.0, 21.0], [9.0, 10.0, 11.0]

    def test_effect(self) -> None:
        assert effect("fid", self.WORSE, self.BETTER) == 0.5
        assert effect("inception_score", self.BETTER, self.WORSE) == 1.0
        assert effect("balance", [0.5], [1.2]) == pytest.approx(0.6)
        assert percent(effect("fid", self.WORSE, self.BETTER)) == "+50 %"

    def test_effect_of_nothing(self) -> None:
        assert effect("inception_score", [0.0, 0.0], [0.0, 0.0]) == 0.0
        assert percent(effect("inception_score", [0.0, 0.0], [1.0, 2.0])) == "from 0"
        assert percent(-4032.2) == "-4,032 times the first"

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


class Row(NamedTuple):
    table: str
    name: str


EVERY = [Row(table.name, row.name) for table in TABLES.values() for row in table.rows]
ONE = {
    "dual-table1": "ours",
    "fargan-table2": "cifar10-resnet-w-far",
    "sdp-table1": "cifar10-autogan-sdp",
    "sdp-table2": "tiny-imagenet-hinge-sdp",
    "stacked-mnist": "pacgan",
    "zero-gp-figure1": "two-gaussians-zero-gp",
    "zero-gp-mnist": "mnist-zero-gp-beta5-1k",
}
LIKE_THESE = {  # tables whose rows are of the same kinds: in the slow tests alone
    "dual-table2": "both-selu",
    "dual-table3": "hinge-gp",
    "fargan-figure7": "cifar10-dcgan-ns-f16",
    "fargan-figure7-points": "ring8-f8",
    "fargan-figure1": "gaussian-far",
    "zero-gp-figure2": "ring8-zero-gp-ttur",
    "zero-gp-figure6": "swissroll-scaled-one-gp",
    "fargan-figure8": "imagenet64-resnet64-ns-far",
    "fargan-supplement2": "cifar100-dcgan-ns-far",
    "sdp-figure3": "cifar10-wgan-gp-sdp-0.03",
    "sdp-figure4": "cifar10-lsgan-bare-sdp",
    "zero-gp-figure4": "imagenet-zero-gp",
}
OF_EACH = [
    *(pytest.param(Row(*row), id=row[0]) for row in ONE.items()),
    *(pytest.param(Row(*row), id=row[0], marks=pytest.mark.slow) for row in LIKE_THESE.items()),
]


def test_a_row_of_each_table_is_tried() -> None:
    assert {*ONE, *LIKE_THESE} == {*TABLES}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Path]]:
    """A few images of a data set, by its name, decoded once."""
    root = tmp_path_factory.mktemp("images")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STEADYGAN_CACHE", str(root / "cache"))
        yield cache(lambda name: PLACES[name](root / name))


@pytest.fixture
def quick(place: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Settings]:
    """A row's settings for two cores, in batches of 2, hardly measured; nothing is drawn."""
    monkeypatch.setattr(Probes, "draw", lambda *_: None)

    def settings(row: Row, *words: str, scale: str = "small") -> Settings:
        found = RECIPES[table_named(row.table).recipe(table_named(row.table).row(row.name))](0, scale)
        more = ["evaluate.n=100", "evaluate.features=none", "device=cpu", "threads=1", "compile=off", "batch_size=2"]
        if "fake_as_real" in found.method:
            more.append("method.fake_as_real.count=1")
        if "sample_differences" in found.method:
            more += ["method.sample_differences.start=5", "method.sample_differences.count=1"]
        if found.data.name in PLACES:
            more.append(f"data.path={place(found.data.name)}")
        return override(found, [*more, *words])

    return settings


def narrow(settings: Settings) -> list[str]:
    """Words that make every network 2 wide."""
    judges = [f"opponents.{name}.discriminator" for name, own in settings.opponents.items() if own.discriminator]
    both = ("generator", "discriminator") if settings.generator is not None else ("discriminator",)
    return [f"{key}.width=2" for key in (*both, *judges)]


@pytest.mark.parametrize("row", OF_EACH)
def test_a_row_of_each_table_goes_on_where_it_stopped(row: Row, quick: Callable[..., Settings], tmp_path: Path) -> None:
    """20 iterations in two sittings, of networks 2 wide."""
    settings = quick(row, "monitor=none", "evaluate.every=20", "checkpoint_every=10")
    settings = override(settings, narrow(settings))
    build.trainer(settings, tmp_path / "run").fit(10)
    run = build.trainer(settings, tmp_path / "run", resume=True).fit(20)
    assert (run.iteration, run.failure) == (20, None)
    assert run.metrics[-1]["iteration"] == 20
    assert ("optimum_distance" if settings.generator is None else "energy_distance") in run.metrics[-1]


def a_row_of_each_network() -> dict[tuple[str, ...], Row]:
    """The first row that has these networks, G's and those of all opponents."""
    found: dict[tuple[str, ...], Row] = {}
    for row in EVERY:
        settings = RECIPES[table_named(row.table).recipe(table_named(row.table).row(row.name))]()
        own = () if settings.generator is None else (settings.generator.name,)
        names = (*own, *(judge.discriminator.name for judge in settings.judges().values()))
        found.setdefault(names, row)
    return found


def test_every_image_network_of_the_papers_has_a_row() -> None:
    names = {*itertools.chain(*a_row_of_each_network())}
    assert names >= {
        "resnet32",
        "conventional32",
        "resnet64",
        "dcgan",
        "sngan32",
        "sngan64",
        "autogan32",
        "dual",
        "mlp",
    }


@pytest.mark.full
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("row", a_row_of_each_network().values(), ids=lambda row: row.name)
def test_networks_in_full_width(
    row: Row, quick: Callable[..., Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two iterations of a batch of 4 with the paper's own networks, hardly looked at."""
    monkeypatch.setattr(probes, "IMAGES", 8)
    monkeypatch.setattr(samples, "COLUMNS", 3)
    settings = quick(row, "batch_size=4", "monitor=none", "evaluate.every=2", scale="full")
    run = build.trainer(settings, tmp_path / "run").fit(2)
    assert (run.iteration, run.failure) == (2, None)
    assert all(p.isfinite().all() for p in run.G.parameters())


@pytest.mark.slow
@pytest.mark.parametrize("row", EVERY, ids=lambda row: row.name)
def test_a_row_trains_and_goes_on(row: Row, quick: Callable[..., Settings], tmp_path: Path) -> None:
    settings = quick(row)
    build.trainer(settings, tmp_path / "run").fit(2)
    run = build.trainer(settings, tmp_path / "run", resume=True).fit(3)
    assert (run.iteration, run.failure) == (3, None)
    assert run.settings["recipe"].endswith(row.name)


@pytest.mark.parametrize(("data", "side"), [("cifar10", 32), ("cifar100", 32), ("tiny-imagenet", 64)])
@pytest.mark.parametrize("base", ["lsgan", "wgan-gp", "hinge", "sngan"])
def test_sdp_trains_sngans_networks(data: str, side: int, base: str) -> None:
    """Its standard CNN has batch norm in G and no spectral norm; the ResNet has both."""
    for settings in (RECIPES[f"paper/sdp/{data}-{base}-{kind}"]() for kind in ("plain", "sdp")):
        name = f"sngan{side}" if base == "sngan" else f"sngan{side}_cnn"
        assert (settings.generator.name, settings.discriminator.name) == (name, name)
        assert settings.generator.norm == "batch"  # type: ignore[attr-defined]
        assert ("spectral_norm" in settings.constraint) == (base == "sngan")
        assert settings.optimizer.betas == ((0.0, 0.9) if base == "sngan" else (0.5, 0.999))
    bare = RECIPES["paper/sdp/cifar10-wgan-gp-bare-sdp"]()
    assert (bare.generator.name, bare.generator.norm) == ("sngan32_cnn", "none")  # type: ignore[attr-defined]
