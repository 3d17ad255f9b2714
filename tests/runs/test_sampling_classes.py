"""What a conditional run gives: samples beside their classes, of one class, cut off, led from one to another."""

from __future__ import annotations

from typing import Any

import animals
import pytest
import torch

from steadygan.errors import InputError
from steadygan.latents import CHUNK, between, generate, latents, truncated
from tiny import points, trainer

CPU = torch.device("cpu")
ARGUMENTS: list[dict[str, Any]] = [
    {},
    {"label": 2},
    {"truncation": 0.5},
    {"interpolate": 5},
    {"label": 2, "truncation": 0.7, "interpolate": 8},
]


def test_batches_hold_samples_and_classes_up_to_256_at_a_time() -> None:
    batches = [*animals.run().stream(600, seed=3)]
    assert [batch.size for batch in batches] == [CHUNK, CHUNK, 600 - 2 * CHUNK]
    for batch in batches:
        assert batch.x.shape[1:] == animals.SHAPE
        assert batch.label is not None
        assert batch.label.shape == (batch.size,)
        assert float(batch.x.abs().max()) <= 1.0


def test_each_sample_is_of_its_class() -> None:
    run = animals.run()
    (batch,) = run.stream(50, seed=3)
    assert batch.label is not None
    z = latents(run._latent, 50, 3, CPU)
    padded = torch.nn.functional.pad(batch.label, (0, CHUNK - 50))
    assert torch.equal(batch.x, generate(run.G, z, 50, padded))
    one = run.sample(50, 3, label=2)
    assert torch.equal(one, generate(run.G, z, 50, torch.full((CHUNK,), 2)))
    of_it = batch.label == 2
    assert of_it.any()
    assert torch.equal(batch.x[of_it], one[of_it])
    assert not torch.equal(batch.x[~of_it], one[~of_it])


def test_classes_are_those_of_the_training_data() -> None:
    run = animals.run()
    assert (run.conditional, run.classes) == (True, 3)
    label = torch.cat([batch.label for batch in run.stream(4000) if batch.label is not None])
    shares = label.bincount(minlength=3) / len(label)
    assert abs(float(shares[0]) - 0.75) < 4 * (0.25 * 0.75 / 4000) ** 0.5
    assert shares[1] == 0.0


@pytest.mark.parametrize("weights", ["ema", "live"])
@pytest.mark.parametrize("arguments", ARGUMENTS, ids=str)
def test_a_longer_sample_begins_like_a_shorter_one(arguments: dict[str, Any], weights: Any) -> None:
    run = animals.run()
    long = run.sample(600, 4, weights, **arguments)
    for n in (1, 9, CHUNK, CHUNK + 1):
        assert torch.equal(run.sample(n, 4, weights, **arguments), long[:n])
    assert not torch.equal(long, run.sample(600, 5, weights, **arguments))
    assert not torch.equal(long, run.sample(600, 4, "live" if weights == "ema" else "ema", **arguments))
    if arguments:
        assert not torch.equal(long, run.sample(600, 4, weights))


def test_truncation_and_rows_act_on_the_latents() -> None:
    run = animals.run()
    z = latents(run._latent, CHUNK, 7, CPU)
    label = torch.zeros(CHUNK, dtype=torch.int64)
    cut = truncated(z, 0.6)
    assert torch.equal(run.sample(9, 7, label=0, truncation=0.6), generate(run.G, cut, 9, label))
    path = between(cut[0::2], cut[1::2], 4)[:CHUNK]
    torch.testing.assert_close(
        run.sample(10, 7, label=0, truncation=0.6, interpolate=4), generate(run.G, path, 10, label)
    )


def test_a_row_is_of_one_class() -> None:
    label = torch.cat([batch.label for batch in animals.run().stream(400, interpolate=4) if batch.label is not None])
    rows = label.view(100, 4)
    assert (rows == rows[:, :1]).all()
    assert len(rows[:, 0].unique()) == 2


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"label": 3}, "expected a label among those of the data, 0, 2, got 3: choose one of the classes"),
        ({"label": 1}, "among those of the data, 0, 2, got 1: choose"),  # no bee: G never met it
        ({"label": -1}, "among those of the data, 0, 2, got -1"),
        ({"label": True}, "among those of the data, 0, 2, got True"),
        ({"truncation": 0.0}, "truncation must be a finite number above 0, not 0.0"),
        ({"interpolate": 1}, "interpolate must be a whole number of 2 or more, not 1"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_drawn(arguments: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError) as error:
        animals.run().stream(3, **arguments)
    assert told in str(error.value)


def test_a_run_without_classes_has_none() -> None:
    run = trainer().fit(1)
    assert (run.conditional, run.classes) == (False, None)
    assert all(batch.label is None for batch in run.stream(300))
    assert run.sample(9, truncation=0.5, interpolate=3).shape == (9, 2)
    with pytest.raises(InputError, match=r"expected no label, because this run's generator has no classes, got 1"):
        run.stream(3, label=1)


def test_latents_of_ones_own_are_neither_cut_nor_joined() -> None:
    def uniform(n: int, generator: torch.Generator) -> torch.Tensor:
        return torch.rand(n, 2, generator=generator)

    run = trainer(data=points(), latent=uniform).fit(1)
    assert run.sample(3).shape == (3, 2)
    for arguments in ({"truncation": 0.5}, {"interpolate": 3}):
        with pytest.raises(InputError, match="own function: truncate or interpolate there"):
            run.stream(3, **arguments)  # type: ignore[arg-type]
