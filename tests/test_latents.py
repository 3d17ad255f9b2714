"""Latents bent to a purpose: cut off, led from one to another, beside classes; each against its closed form."""

from __future__ import annotations

import math
from itertools import islice

import numpy as np
import pytest
import torch
from scipy.stats import norm, truncnorm
from torch import Tensor

from known import F64, normal
from steadygan.errors import InputError
from steadygan.latents import CHUNK, between, chunks, label_chunks, normal_latent, rows, truncated

CPU = torch.device("cpu")
BOUNDS = [0.05, 0.5, 1.0, 2.5]
PRIOR = torch.tensor([0] * 10 + [2] * 30)


class TestTruncated:
    @pytest.mark.parametrize("bound", BOUNDS)
    def test_takes_each_quantile_of_the_normal_to_that_of_the_one_cut_off(self, bound: float) -> None:
        q = np.linspace(0.0, 1.0, 203)[1:-1]
        found = truncated(torch.from_numpy(norm.ppf(q)), bound)
        torch.testing.assert_close(found, torch.from_numpy(truncnorm.ppf(q, -bound, bound)), rtol=1e-11, atol=1e-14)

    @pytest.mark.parametrize("bound", BOUNDS)
    def test_has_the_moments_of_the_distribution_cut_off(self, bound: float) -> None:
        n = 200_000
        z = truncated(normal(3, n, dtype=torch.float32), bound).double()
        variance, kurtosis = (float(m) for m in truncnorm.stats(-bound, bound, moments="vk"))
        spread = math.sqrt((kurtosis + 2.0) / n) * variance  # of the sample variance, one standard error
        assert abs(float(z.mean())) < 4.0 * math.sqrt(variance / n)
        assert abs(float(z.var()) - variance) < 4.0 * spread
        assert float(z.abs().max()) <= bound * (1.0 + 1e-7)

    @pytest.mark.parametrize("bound", [9.0, 40.0, 1e30])
    def test_leaves_z_alone_when_the_bound_is_far_out(self, bound: float) -> None:
        z = torch.tensor([-5.5, -1.0, -1e-9, 0.0, 1e-9, 0.3, 1.0, 5.5], dtype=F64)
        torch.testing.assert_close(truncated(z, bound), z, rtol=1e-9, atol=1e-15)
        far = torch.tensor([-8.0, 8.0], dtype=F64)
        torch.testing.assert_close(truncated(far, bound), far, rtol=1e-3, atol=0.0)

    @pytest.mark.parametrize("dtype", [torch.float32, F64])
    @pytest.mark.parametrize("bound", [1e-30, 1e-3, 0.7, 6.0, 1e30])
    def test_any_number_stays_finite_within_the_bound_odd_and_in_order(self, bound: float, dtype: torch.dtype) -> None:
        z = torch.tensor([0.0, 1e-30, 1e-6, 0.5, 3.0, 5.9, 13.0, 1e30, math.inf], dtype=dtype)
        found = truncated(z, bound)
        assert found.dtype == dtype
        assert found.isfinite().all()
        assert (found <= torch.tensor(bound, dtype=dtype)).all()
        assert (found.diff() >= 0.0).all()
        assert found[0] == 0.0
        assert torch.equal(truncated(-z, bound), -found)

    def test_knows_each_number_by_itself(self) -> None:
        z = normal(1, 7, 3)
        assert torch.equal(truncated(z, 0.5)[:2], truncated(z[:2], 0.5))

    @pytest.mark.parametrize("bound", [0.0, -1.0, math.nan, math.inf, True, "1"])
    def test_refuses_what_is_no_bound(self, bound: object) -> None:
        with pytest.raises(InputError, match="truncation must be a finite number above 0"):
            truncated(torch.zeros(2), bound)  # type: ignore[arg-type]


class TestBetween:
    @pytest.mark.parametrize("dtype", [torch.float32, F64])
    @pytest.mark.parametrize("dim", [1, 2, 128])
    def test_begins_and_ends_at_the_two(self, dim: int, dtype: torch.dtype) -> None:
        a, b = normal(1, 20, dim, dtype=dtype), normal(2, 20, dim, dtype=dtype)
        for steps in (2, 3, 8):
            path = between(a, b, steps).view(20, steps, dim)
            assert path.dtype == dtype
            torch.testing.assert_close(path[:, 0], a)
            torch.testing.assert_close(path[:, -1], b)

    def test_turns_evenly_on_the_sphere_between_orthonormal_ones(self) -> None:
        a, b = torch.eye(4, dtype=F64)[:2].split(1)
        path = between(a, b, 7)
        angle = torch.linspace(0.0, math.pi / 2, 7, dtype=F64)
        zero = torch.zeros(7, dtype=F64)
        torch.testing.assert_close(path, torch.stack([angle.cos(), angle.sin(), zero, zero], 1))
        torch.testing.assert_close(path.norm(dim=1), torch.ones(7, dtype=F64))

    def test_is_the_papers_formula_between_ends_of_one_length(self) -> None:
        a, b = (3.0 * torch.nn.functional.normalize(normal(seed, 9, 5)) for seed in (1, 2))
        w = torch.arccos((a * b).sum(1, keepdim=True) / 9.0)
        path = between(a, b, 5).view(9, 5, 5)
        for i, t in enumerate((0.0, 0.25, 0.5, 0.75, 1.0)):
            wanted = ((1.0 - t) * w).sin() / w.sin() * a + (t * w).sin() / w.sin() * b
            torch.testing.assert_close(path[:, i], wanted)

    @pytest.mark.parametrize("dim", [1, 2, 16])
    def test_its_length_goes_straight_from_one_to_the_other(self, dim: int) -> None:
        """However the two lie: turning about the origin never throws a latent out."""
        a, b = normal(1, 300, dim), 3.0 * normal(2, 300, dim)
        lengths = between(a, b, 5).view(300, 5, dim).norm(dim=2)
        t = torch.linspace(0.0, 1.0, 5, dtype=F64)
        wanted = torch.lerp(a.norm(dim=1, keepdim=True), b.norm(dim=1, keepdim=True), t)
        if dim == 1:  # through the origin where the signs differ
            assert (lengths <= wanted + 1e-12).all()
        else:
            torch.testing.assert_close(lengths, wanted)

    @pytest.mark.parametrize("dtype", [torch.float32, F64])
    def test_goes_straight_where_the_two_are_collinear(self, dtype: torch.dtype) -> None:
        a = normal(1, 4, 3, dtype=dtype)
        t = torch.linspace(0.0, 1.0, 6, dtype=dtype).view(1, 6, 1)
        along = between(a, 2.5 * a, 6).view(4, 6, 3)
        torch.testing.assert_close(along, a.unsqueeze(1) * (1.0 + 1.5 * t))
        assert torch.equal(between(a, a, 3).view(4, 3, 3)[:, 0], a)

    @pytest.mark.parametrize("dtype", [torch.float32, F64])
    def test_opposite_ones_and_the_origin_stay_bounded(self, dtype: torch.dtype) -> None:
        a = torch.tensor([[1.0, 2.0], [1.0, 2.0], [0.0, 0.0], [0.0, 0.0]], dtype=dtype)
        b = torch.tensor([[-2.0, -4.0], [-2.0, -4.0 - 1e-6], [1.0, 0.0], [0.0, 0.0]], dtype=dtype)
        path = between(a, b, 9).view(4, 9, 2)
        assert path.isfinite().all()
        assert float(path.norm(dim=2).max()) <= math.sqrt(20.0) + 1e-3
        torch.testing.assert_close(path[:, -1], b)


class TestLabels:
    def drawn(self, seed: int, count: int = 40) -> Tensor:
        return torch.cat([*islice(label_chunks(PRIOR, seed), count)])

    def test_are_as_frequent_as_in_the_training_data(self) -> None:
        label = self.drawn(5)
        n = len(label)
        assert n == 40 * CHUNK
        shares = label.bincount(minlength=3) / n
        error = math.sqrt(0.25 * 0.75 / n)
        assert abs(float(shares[0]) - 0.25) < 4 * error
        assert shares[1] == 0.0
        assert label.dtype == torch.int64

    def test_follow_from_the_seed_alone(self) -> None:
        torch.manual_seed(1)
        first = self.drawn(5)
        torch.manual_seed(2)
        assert torch.equal(first, self.drawn(5))
        assert not torch.equal(first, self.drawn(6))
        assert torch.equal(first[: 3 * CHUNK], self.drawn(5, 3))

    def test_come_from_another_stream_than_the_latents(self) -> None:
        index = torch.randint(len(PRIOR), (CHUNK,), generator=torch.Generator().manual_seed(5))
        assert not torch.equal(self.drawn(5, 1), PRIOR[index])


class TestRows:
    @pytest.mark.parametrize("steps", [2, 5, 8, 255, 256, 300])
    def test_row_r_leads_from_latent_2r_to_the_next(self, steps: int) -> None:
        latent = normal_latent(3, torch.float32)
        pairs = [*islice(rows(chunks(latent, 4, CPU), label_chunks(PRIOR, 4), steps), 130)]
        assert all(len(part) <= CHUNK and label is not None and len(label) == len(part) for part, label in pairs)
        path = torch.cat([part for part, _ in pairs])
        label = torch.cat([label for _, label in pairs if label is not None])
        ends = torch.cat([*islice(chunks(latent, 4, CPU), 2)])
        classes = torch.cat([*islice(label_chunks(PRIOR, 4), 2)])
        count = min(len(path) // steps, CHUNK)
        found, kinds = path[: count * steps].view(count, steps, 3), label[: count * steps].view(count, steps)
        torch.testing.assert_close(found[:, 0], ends[: 2 * count : 2])
        torch.testing.assert_close(found[:, -1], ends[1 : 2 * count : 2])
        assert torch.equal(kinds, classes[: 2 * count : 2].unsqueeze(1).expand(count, steps))

    def test_without_classes(self) -> None:
        _, label = next(rows(chunks(normal_latent(3, F64), 4, CPU), None, 4))
        assert label is None
