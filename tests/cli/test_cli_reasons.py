"""The reason that `compare` gives says what the numbers say, and nothing where they say nothing."""

from __future__ import annotations

from typing import Any

from steadygan.commands.tables.reasons import Case, reasons
from steadygan.recipes import RECIPES

EVEN = (1.386, 0.693)


def records(
    gradient: float, d: float = 1.386, g: float = 0.693, early: float | None = None, **final: float
) -> list[dict[str, Any]]:
    """A run of 1,000 iterations whose gradient goes from `early` to `gradient`."""
    first = gradient if early is None else early
    return [
        {
            "iteration": i,
            "d_loss": d,
            "g_loss": g,
            "gradient_mean": first if i < 300 else gradient,
            "gradient_max": 4 * gradient,
            "d_gradient_mean": 2 * gradient,
            **final,
        }
        for i in range(0, 1001, 50)
    ]


def case(name: str, *runs: list[dict[str, Any]], equilibrium: tuple[float | None, float | None] = EVEN) -> Case:
    return Case.of(name, RECIPES[name](), equilibrium, runs)


GOOD = {"modes": 25.0, "emptiest_mode": 0.9, "high_quality": 0.9, "balance": 0.8, "energy_distance": 0.001}
BAD = {"modes": 15.0, "emptiest_mode": 0.05, "high_quality": 0.8, "balance": 0.2, "energy_distance": 0.03}


def test_collapse_is_explained_by_gradients_and_losses() -> None:
    told = reasons(
        [
            case("grid25/nsgan", records(6.0, d=1.07, g=1.1, early=0.5, **BAD)),
            case("grid25/far", records(0.01, **GOOD)),
        ]
    )
    assert "grid25/nsgan ends with 15 of 25 modes, the emptiest at 0.050 of an even share" in told
    assert "grid25/far ends with 25 of 25 modes" in told
    assert "averages 6.00 in grid25/nsgan, 0.010 in grid25/far" in told
    assert "In grid25/nsgan it stays large (12 times what it was early on), up to 24.0 for a single sample" in told
    assert "D keeps telling fakes from reals in grid25/nsgan (D 1.070 below 1.386, G 1.100 above 0.693)" in told
    assert "In grid25/far the losses stay near equilibrium" in told
    assert "Fewer than three seeds" in told
    assert "\n" not in told


def test_like_runs_are_called_alike() -> None:
    told = reasons([case("grid25/r1", *[records(0.02, **GOOD)] * 3), case("grid25/far", *[records(0.01, **GOOD)] * 3)])
    assert "the size of gradients does not explain how the runs differ" in told
    assert "stays large" not in told
    assert "keeps telling" not in told
    assert "Fewer than" not in told


def test_what_fake_as_real_changed_is_said_where_it_is_the_only_difference() -> None:
    r1, far = case("grid25/r1", records(0.1, **BAD)), case("grid25/far", records(0.01, **GOOD))
    assert (
        "changes from grid25/r1 to grid25/far: high-quality share 80.0 % -> 90.0 %, emptiest mode 0.050 -> 0.900, "
        "balance 0.200 -> 0.800, energy distance 0.030 -> 0.001"
    ) in reasons([r1, far])
    assert "Fake-as-real" not in reasons([case("grid25/nsgan", records(0.1, **BAD)), far])


def test_a_dead_discriminator_is_named_and_no_gradient_praised() -> None:
    told = reasons([case("ring8/far", records(0.0, **GOOD)), case("ring8/r1", records(0.1, **GOOD))])
    assert "In ring8/far the discriminator is dead: G receives no gradient." in told
    assert "0.000 in ring8/far" not in told


def test_losses_without_an_equilibrium_are_not_judged() -> None:
    told = reasons([case("ring8/nsgan", records(0.1, d=-3.0, g=2.0, **GOOD), equilibrium=(0.0, None))])
    assert "equilibrium" not in told
    assert "keeps telling" not in told


def test_data_without_modes_are_told_by_their_balance() -> None:
    told = reasons([case("points/far", records(0.1, balance=0.75))])
    assert told.startswith("points/far ends at a balance of 0.750 (real data: 1).")


def test_a_discriminator_alone_is_told_by_its_distance_and_nothing_of_a_generator() -> None:
    told = [{"iteration": i, "d_loss": 1.0, "d_gradient_mean": 9.0, "optimum_distance": 0.25} for i in (0, 50, 100)]
    free = (None, None)
    cases = [case(f"two-gaussians/{name}", *[told] * 3, equilibrium=free) for name in ("none", "zero_gp")]
    assert reasons(cases) == (
        "two-gaussians/none ends 0.250 from the best D; two-gaussians/zero_gp ends 0.250 from the best D."
    )
