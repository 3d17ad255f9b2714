"""What the papers hold, thing by thing: recipes, the test that checks it, and what our runs gave; in docs/papers.md.

    python benchmarks/paper_things.py [--runs runs] [--scale small] [--seeds 3] --write

Nothing is trained: a table of a paper stands as its finished runs leave it. What no recipe bears and
no test holds is said to be not here yet.
"""

from __future__ import annotations

import argparse
import fnmatch
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from method_tables import DOCS, lines, put

from steadygan.commands.compare import planned_jobs
from steadygan.commands.tables.standing import Standing
from steadygan.recipes import RECIPES
from steadygan.recipes.papers import TABLES

ROOT = Path(__file__).parents[1]
PAGE = DOCS / "papers.md"
NOT_YET = "not trained yet"


class Thing(NamedTuple):
    """One thing in a paper: recipes by patterns, or the settings that give it; the test; the table that it belongs to.

    result: where its figures stand, or what kind of a check the test is, for what is no table.
    """

    what: str
    recipes: str
    test: str
    result: str = "closed form"
    table: str = ""


def rows(name: str, what: str) -> Thing:
    """A table of a paper, which its own runs tell of."""
    table = TABLES[name]
    return Thing(f"{what} (`{name}`)", f"paper/{table.paper}", "recipes/test_papers.py", "", name)


FIGURES, THEORY = "figures/test_figures.py", "run and compared"
POINTS = "[points](results/methods.md)"
THINGS = {
    "FARGAN [tao2020]": (
        Thing("eq. 5, the gradient that G receives", "every run", "diagnostics/test_diagnostics_gradients.py"),
        Thing("eq. 6, differences of close pairs", "penalty=close_pair_difference", "penalties/test_difference.py"),
        Thing("eq. 8, close fakes as real", "penalty=close_pair_fake_as_real", "penalties/test_difference.py"),
        Thing("algorithm 1, eq. 10 and 11", "*/far", "methods/test_fake_as_real.py", POINTS),
        Thing("N0 = 0 is the run without it, bit for bit", "*/far", "methods/test_fake_as_real.py", "same bits"),
        Thing("r1 on the real side", "*/r1", "penalties/test_gradient_penalties.py", POINTS),
        Thing("the losses of table 2", "paper/fargan/cifar10-resnet-*", "test_losses.py"),
        Thing("network of points", "generator=mlp", "models/test_mlp.py", "parameters"),
        Thing("residual network, 32 pixels", "generator=resnet32", "models/test_paper_networks.py", "parameters"),
        Thing("conventional network", "generator=conventional32", "models/test_paper_networks.py", "parameters"),
        Thing("residual network, 64 pixels", "generator=resnet64", "models/test_paper_networks.py", "parameters"),
        Thing("DCGAN of the supplement", "generator=dcgan", "models/test_dcgan.py", "parameters"),
        rows("fargan-figure1", "figure 1, a Gaussian's 100 samples"),
        Thing("figure 2, eight far modes", "paper/fargan/ring8-far", FIGURES, "`steadygan figure`"),
        Thing("supplement, figure 1", "paper/fargan/{grid25,swissroll}-far", FIGURES, "`steadygan figure`"),
        rows("fargan-table2", "table 2, figures 3, 4 and 6; losses in figure 5 and the supplement's 3"),
        rows("fargan-figure7", "figure 7, N0 and f"),
        rows("fargan-figure7-points", "the same on points, which the paper has not"),
        rows("fargan-figure8", "figure 8, ImageNet; losses in the supplement's figure 4"),
        rows("fargan-supplement2", "supplement, figure 2"),
        Thing("propositions 1 to 3", "`steadygan theory`", "theory", THEORY),
    ),
    "0-GP [thanhtung2019]": (
        Thing("eq. 6, 0-GP between reals and fakes", "*/zero_gp", "penalties/test_gradient_penalties.py", POINTS),
        Thing("eq. 7, 1-GP", "*/wgan-gp", "penalties/test_gradient_penalties.py", POINTS),
        Thing("penalties of the probability", "penalty.zero_gp.of=probability",
              "penalties/test_gradient_penalties.py"),
        Thing("3.2, gradients and differences", "penalty=pair_difference", "penalties/test_difference.py"),
        Thing("network for MNIST", "paper/zero-gp/mnist-*", "models/test_paper_networks.py", "parameters"),
        rows("zero-gp-mnist", "figures 3, 7 and 8, MNIST"),
        rows("zero-gp-figure4", "figure 4, ImageNet"),
        rows("zero-gp-figure2", "figure 2, eight far modes"),
        Thing("figure 5, weight 100", "paper/zero-gp/ring8-zero-gp-w100", FIGURES, "`steadygan figure`"),
        rows("zero-gp-figure6", "figure 6, spirals"),
        rows("zero-gp-figure1", "figure 1, D alone on two Gaussians"),
        Thing("two rates (TTUR)", "lr_d=", "engine/test_optim.py", "every optimiser by hand"),
        Thing("propositions 1 and 2, sections 3.2, 3.4 and 3.5", "`steadygan theory`", "theory", THEORY),
    ),
    "Sample differences [zhangsdp]": (
        Thing("eq. 3 to 10, the term of both players", "*/sdp", "methods/test_sample_differences.py", POINTS),
        Thing("eq. 6 as printed, and other norms", "method.sample_differences.normalise=",
              "methods/test_sample_differences.py"),
        Thing("algorithm 1: pairs once, one batch", "method.sample_differences.pairs=once",
              "methods/test_sample_differences.py"),
        Thing("k grows, t delays", "*/sdp", "methods/test_sample_differences_settings.py"),
        Thing("every block of D", "method.sample_differences.feature_layers=all", "models/test_paper_networks.py",
              "every network"),
        Thing("SN-GAN's ResNets", "paper/sdp/*-sngan-*", "models/test_paper_networks.py", "parameters"),
        Thing("SN-GAN's CNNs", "generator=sngan32_cnn", "models/test_paper_networks.py", "parameters"),
        Thing("AutoGAN's network", "paper/sdp/*-autogan-*", "models/test_paper_networks.py", "parameters"),
        Thing("spectral norm", "*/sngan", "models/test_spectral.py", POINTS),
        Thing("Tiny ImageNet and CIFAR-100 by name", "{cifar100,tiny-imagenet}/*", "data/test_data_imagenet.py",
              "their layouts"),
        rows("sdp-table1", "table I, CIFAR-10 and CIFAR-100"),
        rows("sdp-table2", "table II, Tiny ImageNet"),
        rows("sdp-figure3", "figure 3, lambda"),
        rows("sdp-figure4", "figure 4, aggressive settings"),
    ),
    "Dual discriminators [zhang2018]": (
        Thing("eq. 5 and 6, hinge", "*/dual", "test_table_critics.py", POINTS),
        Thing("minibatch discrimination", "*/mdgan", "models/test_layers.py", POINTS),
        Thing("D with SELU, D of residual blocks", "discriminator=dual", "models/test_dual.py", "parameters"),
        Thing("D2GAN", "*/d2gan", "test_losses_d2gan.py", POINTS),
        Thing("BEGAN", "*/began", "test_losses_began.py", POINTS),
        Thing("Cramer GAN", "*/cramer", "methods/test_cramer.py", POINTS),
        Thing("denoising feature matching", "*/dfm", "methods/test_denoising.py", POINTS),
        Thing("DRAGAN", "*/dragan", "penalties/test_gradient_penalties.py", POINTS),
        rows("dual-table1", "table 1, beside eight GANs"),
        rows("dual-table2", "table 2, ablations"),
        rows("dual-table3", "table 3, losses"),
        Thing("theorems 1 to 3, eq. 9 and 10", "`steadygan theory`", "theory", THEORY),
    ),
    "Beside them [lin2018, huang2024]": (rows("stacked-mnist", "the 1,000 modes of Stacked MNIST"),),
}  # fmt: skip


def shown_recipes(words: str) -> str:
    """The recipes of a pattern and their number, or settings as they are."""
    if "=" in words or " " in words:
        return f"`{words}`" if "=" in words else words
    if not words:
        return ""
    found = [name for pattern in braced(words) for name in fnmatch.filter(tuple(RECIPES), pattern)]
    if not found:
        return f"`{words}`: not here yet"
    return f"`{words}` ({len(found)})"


def braced(words: str) -> Iterator[str]:
    """a/{b,c} as a/b and a/c."""
    before, brace, rest = words.partition("{")
    if not brace:
        yield words
        return
    inside, _, after = rest.partition("}")
    for each in inside.split(","):
        yield from braced(f"{before}{each}{after}")


def stands(name: str, runs: Path, scale: str, seeds: int) -> str:
    """How many rows of a table have finished runs, and what became of its claims."""
    table = TABLES[name]
    planned = {row.name: planned_jobs(table.recipe(row), (), scale, seeds, None, None, runs) for row in table.rows}
    standing = Standing.of(table, scale, planned)
    done = sum(bool(own) for own in standing.runs.values())
    if not done:
        return NOT_YET
    words = Counter(word for *_, word in standing.claims())
    told = ", ".join(f"{count} {word}" for word, count in words.items())
    return f"{done} of {len(table.rows)} rows trained; claims: {told}"


def cells(thing: Thing, runs: Path, scale: str, seeds: int) -> list[str]:
    """A line of the table."""
    there = (ROOT / "tests" / thing.test).exists()
    test = f"`tests/{thing.test}`" if there else "not here yet"
    if thing.table:
        table = TABLES[thing.table]
        recipes = f"`steadygan paper {table.name}` ({len(table.rows)})"
        return [thing.what, recipes, test, stands(thing.table, runs, scale, seeds)]
    return [thing.what, shown_recipes(thing.recipes), test, thing.result if there else ""]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="as `steadygan paper` was told with --out")
    parser.add_argument("--scale", default="small")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="put it into docs/papers.md")
    given = parser.parse_args()
    parts = []
    for paper, things in THINGS.items():
        told = [cells(thing, given.runs, given.scale, given.seeds) for thing in things]
        parts.append(f"### {paper}\n\n" + lines([["thing", "recipes", "test", "result"], *told]))
    text = "\n\n".join(parts)
    print(text)
    if given.write:
        put(PAGE, "<!-- table: things -->", text)


if __name__ == "__main__":
    main()
