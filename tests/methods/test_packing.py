"""PacGAN: several samples of one kind shown as one."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from known import Linear, eager, normal, sp, tensor
from steadygan.engine.objective import Sides, d_objective
from steadygan.errors import InputError
from steadygan.losses import NonSaturating
from steadygan.methods import Packing
from steadygan.penalties import r1
from steadygan.types import Batch, Now, Opponent

X = tensor([[1, 2], [3, 4], [5, 6], [7, 8]])


def test_vectors_stand_side_by_side() -> None:
    assert Packing(2).present(Batch(X)).x.tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]]
    assert Packing(4).present(Batch(X)).x.tolist() == [[1, 2, 3, 4, 5, 6, 7, 8]]


@pytest.mark.parametrize("degree", [2, 3])
def test_images_are_stacked_by_channel(degree: int) -> None:
    x = normal(0, 6, 3, 4, 5)
    packed = Packing(degree).present(Batch(x)).x
    assert packed.shape == (6 // degree, 3 * degree, 4, 5)
    for i, pack in enumerate(packed):
        assert_close(pack, torch.cat([x[i * degree + j] for j in range(degree)]), rtol=0, atol=0)


def test_label_of_the_first() -> None:
    label = Packing(2).present(Batch(X, torch.tensor([4, 4, 9, 9]))).label
    assert label is not None
    assert label.tolist() == [4, 9]


def test_counts() -> None:
    """N and M count what the critic is shown; so many times `degree` are drawn."""
    method = Packing(3)
    assert (method.draws_d(6, 8), method.draws_g(6, 8), method.raw(6), method.raw(0)) == ((6, 8), (6, 8), 18, 0)
    assert method.present(Batch(normal(1, 18, 2))).size == 6


def test_one_is_no_packing() -> None:
    batch = Batch(X)
    assert Packing(1).present(batch) is batch
    assert Packing(1).raw(5) == 5


@pytest.mark.parametrize(
    ("degree", "n", "message"),
    [
        (3, 4, "packing: expected samples in packs of 3, got 4, which leaves 1 over: pass 3 of them"),
        (2, 1, "packing: expected samples in packs of 2, got 1, which leaves 1 over: pass 2 of them"),
    ],
)
def test_a_pack_that_is_not_full_is_refused(degree: int, n: int, message: str) -> None:
    with pytest.raises(InputError) as refused:
        Packing(degree).present(Batch(X[:n]))
    assert str(refused.value) == message


@pytest.mark.parametrize("degree", [0, -2])
def test_refuses(degree: int) -> None:
    with pytest.raises(InputError, match=f"packing.degree: expected a whole number of 1 or more, got {degree}"):
        Packing(degree)


def test_defaults_to_pairs() -> None:
    assert Packing() == Packing(2)


def test_objective_by_hand() -> None:
    """d(v, v') = v_1 + 2 v'_1 - 10 on two real packs and one fake pack, with r1 on the pack: |w|^2 = 5."""
    D = Linear([1, 0, 2, 0], -10)
    fake = tensor([[0, 9], [3, 9]])
    objective, _ = d_objective(
        {"D": Opponent(D, NonSaturating(), (r1(1.0),), Packing(2))},
        {"D": eager(D)},
        Batch(X),
        Batch(fake),
        Now(torch.tensor(0), {}, {}),
        Sides(2, 1),
    )
    assert_close(objective.item(), (sp(3) + sp(-9)) / 2 + sp(-4) + 5)
