"""Differentiable augmentation against loops over pixels, and within the objectives; in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from known import F64, eager, normal, tensor, uniform
from steadygan.engine.compiler import too_old
from steadygan.engine.objective import Sides, d_objective, g_objective
from steadygan.errors import InputError
from steadygan.losses import Wasserstein
from steadygan.methods import DiffAugment, FakeAsReal, Packing, chain
from steadygan.types import Batch, Draw, Now, Opponent

HALF = [0.5, 0.5, 0.5, 0.5, 0.5]  # no change of colour, no shift
COLOUR = DiffAugment(translation=0.0, cutout=0.0)
SHIFT = DiffAugment(color=False, translation=0.25, cutout=0.0)
HOLE = DiffAugment(color=False, translation=0.0, cutout=0.5)


def at(method: DiffAugment, u: Tensor) -> DiffAugment:
    return method.at(Now(torch.tensor(0), {}, {"u": u}))


def shown(method: DiffAugment, x: Tensor, u: Tensor) -> Tensor:
    return at(method, u).present(Batch(x)).x


def changed(x: np.ndarray, u: np.ndarray, translation: float = 0.125, cutout: float = 0.5) -> np.ndarray:
    """One image (c, h, w) as the paper changes it, pixel by pixel."""
    channels, height, width = x.shape
    x = x + u[0] - 0.5
    grey = sum(x[c] for c in range(channels)) / channels
    x = np.stack([(x[c] - grey) * 2 * u[1] + grey for c in range(channels)])
    x = (x - x.sum() / x.size) * (u[2] + 0.5) + x.sum() / x.size
    down, right = (
        int(np.floor(v * (2 * most + 1))) - most
        for v, most in zip(u[3:5], (int(translation * side + 0.5) for side in (height, width)), strict=True)
    )
    moved = np.zeros_like(x)
    for i in range(height):
        for j in range(width):
            if 0 <= i - down < height and 0 <= j - right < width:
                moved[:, i, j] = x[:, i - down, j - right]
    sizes = [int(cutout * side + 0.5) for side in (height, width)]
    centres = [int(v * (side + 1 - size % 2)) for v, side, size in zip(u[5:], (height, width), sizes, strict=True)]
    for i in range(sizes[0]):  # public code draws places beyond the edge on the edge
        for j in range(sizes[1]):
            row = min(max(centres[0] + i - sizes[0] // 2, 0), height - 1)
            column = min(max(centres[1] + j - sizes[1] // 2, 0), width - 1)
            moved[:, row, column] = 0.0
    return moved


class TestByLoops:
    @pytest.mark.parametrize("size", [(3, 8, 8), (1, 16, 16), (3, 12, 20), (2, 5, 7)], ids=str)
    @pytest.mark.parametrize("seed", range(3))
    def test_all_changes(self, size: tuple[int, int, int], seed: int) -> None:
        x, u = normal(seed, 6, *size), uniform(10 + seed, 6, 7)
        expected = np.stack([changed(image, row) for image, row in zip(x.numpy(), u.numpy(), strict=True)])
        assert_close(shown(DiffAugment(), x, u).numpy(), expected)

    @pytest.mark.parametrize(("translation", "cutout"), [(0.5, 0.25), (1.0, 0.7), (0.3, 1.0)])
    def test_other_shares(self, translation: float, cutout: float) -> None:
        x, u = normal(3, 6, 2, 7, 6), uniform(4, 6, 7)
        expected = [changed(*pair, translation, cutout) for pair in zip(x.numpy(), u.numpy(), strict=True)]
        assert_close(shown(DiffAugment(True, translation, cutout), x, u).numpy(), np.stack(expected))


class TestColour:
    X = tensor([[[[1.0, 3.0]], [[5.0, -1.0]]]])  # two channels of 1 x 2 pixels; m over channels (3, 1)

    @pytest.mark.parametrize(
        ("u", "expected"),
        [
            ([0.5, 0.5, 0.5], [[[[1.0, 3.0]], [[5.0, -1.0]]]]),
            ([0.75, 0.5, 0.5], [[[[1.25, 3.25]], [[5.25, -0.75]]]]),
            ([0.5, 0.0, 0.5], [[[[3.0, 1.0]], [[3.0, 1.0]]]]),  # grey
            ([0.5, 1.0, 0.5], [[[[-1.0, 5.0]], [[7.0, -3.0]]]]),  # twice as far from grey
            ([0.5, 0.5, 0.0], [[[[1.5, 2.5]], [[3.5, 0.5]]]]),  # half as far from the mean of 2
            ([0.5, 0.5, 1.0], [[[[0.5, 3.5]], [[6.5, -2.5]]]]),
        ],
    )
    def test_by_hand(self, u: list[float], expected: list[Any]) -> None:
        assert_close(shown(COLOUR, self.X, tensor([[*u, 0.9, 0.9, 0.9, 0.9]])), tensor(expected))

    def test_saturation_is_nothing_to_a_grey_image(self) -> None:
        x = normal(0, 1, 1, 4, 4)
        assert_close(shown(COLOUR, x, tensor([[0.5, 0.1, 0.5, 0, 0, 0, 0]])), x)


class TestShift:
    X = torch.arange(1.0, 65.0, dtype=F64).view(1, 1, 8, 8)  # most = 2

    @pytest.mark.parametrize("down", range(-2, 3))
    @pytest.mark.parametrize("right", range(-2, 3))
    def test_moves_and_leaves_zeros(self, down: int, right: int) -> None:
        u = tensor([[0, 0, 0, (down + 2.5) / 5, (right + 2.5) / 5, 0, 0]])
        expected = torch.nn.functional.pad(self.X, (2 + right, 2 - right, 2 + down, 2 - down))[:, :, 2:10, 2:10]
        assert_close(shown(SHIFT, self.X, u), expected, rtol=0, atol=0)

    @pytest.mark.parametrize(("u", "way"), [(0.0, -2), (1 - 2**-24, 2), (1.0, 2)])
    def test_stays_within_the_share(self, u: float, way: int) -> None:
        """However a number is rounded."""
        numbers = torch.full((1, 7), u, dtype=torch.float32)
        pixel = torch.zeros(1, 1, 8, 8)
        pixel[0, 0, 4, 4] = 1.0
        assert shown(SHIFT, pixel, numbers).nonzero().tolist() == [[0, 0, 4 + way, 4 + way]]

    def test_all_shifts_alike(self) -> None:
        n = 5000
        pixel = torch.zeros(n, 1, 8, 8, dtype=F64)
        pixel[:, 0, 4, 4] = 1.0
        counts = shown(SHIFT, pixel, uniform(0, n, 7)).sum((0, 1))[2:7, 2:7]
        assert counts.sum() == n
        assert (counts / n - 1 / 25).abs().max() < 5 * (1 / 25 / n) ** 0.5


class TestHole:
    @pytest.mark.parametrize(
        ("row", "column", "zeros"), [(0.0, 0.0, 4), (0.5, 0.5, 16), (0.999, 0.0, 4), (0.5, 0.0, 8)]
    )
    def test_is_cut_off_at_the_edge(self, row: float, column: float, zeros: int) -> None:
        """4 x 4 of 8 x 8 pixels, centred on one of 9 lines: at the edge half of it is outside."""
        x = torch.ones(1, 3, 8, 8, dtype=F64)
        found = shown(HOLE, x, tensor([[*HALF, row, column]]))
        assert (found == 0).sum((2, 3)).tolist() == [[zeros] * 3]
        assert (found == 1).sum() == 3 * (64 - zeros)

    def test_by_hand(self) -> None:
        """3 x 3 of 6 x 6 pixels around row 1 and column 5."""
        found = shown(HOLE, torch.ones(1, 1, 6, 6, dtype=F64), tensor([[*HALF, 1.5 / 6, 5.5 / 6]]))
        assert (found[0, 0] == 0).nonzero().tolist() == [[i, j] for i in range(3) for j in (4, 5)]


class TestWithin:
    def test_gradients_pass_through(self) -> None:
        x, u = normal(5, 2, 2, 6, 6).requires_grad_(), uniform(6, 2, 7)
        assert torch.autograd.gradcheck(lambda v: shown(DiffAugment(), v, u), x)
        assert torch.autograd.gradgradcheck(lambda v: shown(DiffAugment(), v, u), x)

    def test_what_is_hidden_gets_no_gradient(self) -> None:
        x = normal(7, 1, 1, 8, 8).requires_grad_()
        (slope,) = torch.autograd.grad(shown(HOLE, x, tensor([[*HALF, 0.5, 0.5]])).sum(), x)
        expected = torch.ones_like(x)
        expected[0, 0, 2:6, 2:6] = 0.0
        assert_close(slope, expected, rtol=0, atol=0)

    def test_rows_are_taken_again(self) -> None:
        """Five images, two rows: 0, 1, 0, 1, 0; a batch of one takes the first."""
        x, u = normal(8, 5, 3, 8, 8), uniform(9, 2, 7)
        assert_close(shown(DiffAugment(), x, u), shown(DiffAugment(), x, u[[0, 1, 0, 1, 0]]))
        assert_close(shown(DiffAugment(), x[:1], u), shown(DiffAugment(), x, u)[:1])

    @pytest.mark.parametrize("dtype", [torch.float32, F64])
    @pytest.mark.parametrize("of_noise", [torch.float32, F64])
    def test_keeps_dtype_labels_and_input(self, dtype: torch.dtype, of_noise: torch.dtype) -> None:
        batch = Batch(normal(0, 3, 3, 8, 8).to(dtype), torch.tensor([4, 0, 2]))
        before = batch.x.clone()
        found = at(DiffAugment(), uniform(1, 3, 7).to(of_noise)).present(batch)
        assert found.x.dtype == dtype
        assert found.label is batch.label
        assert torch.equal(batch.x, before)
        assert not torch.equal(found.x, before)

    def test_without_numbers_images_are_as_they_are(self) -> None:
        batch = Batch(normal(0, 3, 3, 8, 8))
        assert DiffAugment().present(batch) is batch
        assert DiffAugment().at(Now(torch.tensor(3), {}, {})).present(batch) is batch

    def test_nothing_chosen_is_no_change(self) -> None:
        x = normal(0, 3, 3, 8, 8)
        assert shown(DiffAugment(False, 0.0, 0.0), x, uniform(1, 3, 7)) is x

    def test_draws_a_row_for_each_sample_of_the_larger_side(self) -> None:
        assert DiffAugment().noise(6, 8, (3, 8, 8)) == {"u": Draw((8, 7), "uniform")}
        assert DiffAugment().noise(9, 8, (3, 8, 8)) == {"u": Draw((9, 7), "uniform")}

    def test_stacked_and_compiled(self) -> None:
        x, u = normal(0, 4, 5, 3, 8, 8), uniform(1, 4, 5, 7)

        def step(x: Tensor, u: Tensor) -> Tensor:
            return shown(DiffAugment(), x, u)

        expected = torch.stack([step(*pair) for pair in zip(x, u, strict=True)])
        assert_close(torch.func.vmap(step)(x, u), expected)
        if too_old() is None:
            torch.compiler.reset()
            assert_close(torch.compile(torch.func.vmap(step), fullgraph=True, backend="eager")(x, u), expected)

    @pytest.mark.parametrize("size", [(2,), (3, 8), (1, 2, 3, 4)], ids=str)
    @pytest.mark.parametrize("within", [True, False])
    def test_refuses_what_is_no_image(self, size: tuple[int, ...], within: bool) -> None:
        method = at(DiffAugment(), uniform(0, 2, 7)) if within else DiffAugment()
        with pytest.raises(InputError) as refused:
            method.present(Batch(normal(0, 2, *size)))
        assert str(refused.value) == (
            f"diff_augment: expected images (channels, height, width), got samples of shape {size}: leave it out"
        )

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"translation": -0.1}, "diff_augment.translation: expected a number from 0 to 1"),
            ({"translation": 1.5}, "diff_augment.translation: expected a number from 0 to 1, got 1.5"),
            ({"cutout": float("nan")}, "diff_augment.cutout: expected a number from 0 to 1"),
            ({"cutout": 2}, "diff_augment.cutout: expected a number from 0 to 1, got 2"),
        ],
    )
    def test_refuses_settings(self, settings: dict[str, float], message: str) -> None:
        with pytest.raises(InputError) as refused:
            DiffAugment(**settings)
        assert str(refused.value).startswith(message)


class Weighed(nn.Module):
    """d(v) = sum of w v, with one weight per number of a sample."""

    def __init__(self, *size: int) -> None:
        super().__init__()
        self.w = nn.Parameter(normal(20, *size))

    def forward(self, x: Tensor) -> Tensor:
        return (x * self.w).flatten(1).sum(1)


class TestObjectives:
    X, Y, U = normal(11, 4, 2, 6, 6), normal(12, 4, 2, 6, 6), uniform(13, 4, 7)
    SIDES = Sides(4, 4)

    def now(self, key: str = "u") -> Now:
        return Now(torch.tensor(0), {}, {"D": {"method": {key: self.U}}})

    def test_d_sees_both_sides_changed(self) -> None:
        D = Weighed(2, 6, 6)
        opponents = {"D": Opponent(D, Wasserstein(), (), DiffAugment())}
        value, _ = d_objective(opponents, {"D": eager(D)}, Batch(self.X), Batch(self.Y), self.now(), self.SIDES)
        real, fake = (
            np.mean([(changed(*pair) * D.w.detach().numpy()).sum() for pair in zip(side, self.U.numpy(), strict=True)])
            for side in (self.X.numpy(), self.Y.numpy())
        )
        assert_close(value.item(), fake - real)

    def test_g_learns_through_the_changes(self) -> None:
        D = Weighed(2, 6, 6)
        y = self.Y.clone().requires_grad_()
        opponents = {"D": Opponent(D, Wasserstein(), (), DiffAugment())}
        value, _ = g_objective(opponents, {"D": eager(D)}, None, Batch(y), self.now(), self.SIDES)
        (slope,) = torch.autograd.grad(value, y)
        step = 1e-3 * normal(14, *y.shape)  # the changes are linear in the image, but for the brightness
        after, before = (shown(DiffAugment(), v, self.U) for v in (self.Y + step, self.Y))
        moved = -((after - before) * D.w.detach()).flatten(1).sum(1).mean()
        assert_close((slope * step).sum(), moved)

    def test_each_image_of_a_pack_is_changed_by_itself(self) -> None:
        """In front of packing, which the settings' order gives: what is packed has been changed before."""
        both = chain(DiffAugment(), Packing(2)).at(Now(torch.tensor(0), {}, {"diff_augment.u": self.U}))
        expected = Packing(2).present(Batch(shown(DiffAugment(), self.X, self.U)))
        assert_close(both.present(Batch(self.X)).x, expected.x, rtol=0, atol=0)
        assert chain(DiffAugment(), Packing(2)).noise(4, 4, (4, 6, 6)) == {"diff_augment.u": Draw((4, 7), "uniform")}

    def test_candidates_are_ranked_as_they_are_shown(self) -> None:
        """Fake-as-real behind it picks among changed candidates, and what it picks is not changed again."""
        D = Weighed(2, 6, 6)
        method = chain(DiffAugment(), FakeAsReal(1, 3))
        opponents = {"D": Opponent(D, Wasserstein(), (), method)}
        fake = torch.cat([self.Y, normal(15, 3, 2, 6, 6)])
        value, _ = d_objective(
            opponents, {"D": eager(D)}, Batch(self.X[:3]), Batch(fake), self.now("diff_augment.u"), self.SIDES
        )
        judged = (shown(DiffAugment(), fake, self.U) * D.w.detach()).flatten(1).sum(1)
        real = (shown(DiffAugment(), self.X[:3], self.U) * D.w.detach()).flatten(1).sum(1)
        expected = judged[:4].mean() - (real.sum() + judged[4:].min()) / 4
        assert_close(value.item(), expected.item())
