"""Final and best of a run's records."""

from __future__ import annotations

from steadygan.metrics.summary import At, Summary, final_and_best

RECORDS = [
    {"iteration": 0, "modes": 25, "balance": 1.0, "gradient_mean": 0.001, "energy_distance": 0.0},
    {"iteration": 10, "gradient_mean": 5.0, "d_loss": 1.3},
    {"iteration": 20, "modes": 8, "balance": 1.3, "gradient_mean": 2.0, "energy_distance": 0.2},
    {"iteration": 40, "modes": 8, "balance": 0.9, "gradient_mean": 9.0, "energy_distance": 0.1},
    {"iteration": 60, "modes": 3, "balance": 0.4, "gradient_mean": 3.0, "energy_distance": float("nan")},
    {"iteration": 70, "gradient_mean": 4.0},
]


def test_final_is_the_last_and_best_the_preferred_one_after_the_start() -> None:
    assert final_and_best(RECORDS) == [
        Summary("modes", At(3.0, 60), At(8.0, 20)),
        Summary("balance", At(0.4, 60), At(0.9, 40)),
        Summary("energy_distance", At(0.1, 40), At(0.1, 40)),
        Summary("gradient_mean", At(4.0, 70), At(2.0, 20), At(9.0, 40)),
    ]


def test_a_dead_critic_is_not_the_best_one() -> None:
    values = enumerate([0.5, 0.2, 0.4, 0.4, 0.0])
    row = final_and_best([{"iteration": i, "gradient_mean": value} for i, value in values])[0]
    assert row == Summary("gradient_mean", At(0.0, 4), At(0.2, 1), At(0.4, 2))


def test_an_untrained_run_has_its_start_alone() -> None:
    assert final_and_best(RECORDS[:1])[0] == Summary("modes", At(25.0, 0), At(25.0, 0))
    assert final_and_best([]) == []
