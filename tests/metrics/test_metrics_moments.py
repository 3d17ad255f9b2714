"""Frechet and kernel distance, class score, precision and recall: by hand, by loops, and as torch-fidelity has them."""

import numpy as np
import pytest
import torch

from steadygan.errors import InputError, NonFiniteError
from steadygan.metrics import moments
from steadygan.metrics.moments import Moments, class_score, frechet, kernel_distance, precision_recall


def points(n, dim, seed=0, dtype=torch.float64):
    return torch.randn(n, dim, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def exactly(mean, covariance, n=40, seed=0):
    """n vectors whose mean and covariance (divided by n - 1) are the wanted ones, not their estimates."""
    mean, covariance = np.asarray(mean, np.float64), np.asarray(covariance, np.float64)
    x = points(n, len(mean), seed).numpy()
    x = x - x.mean(0)
    x = np.linalg.solve(np.linalg.cholesky(x.T @ x / (n - 1)), x.T).T
    return torch.from_numpy(x @ np.linalg.cholesky(covariance).T + mean)


def root(matrix):
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(values)) @ vectors.T


def gauss(a, A, b, B):
    """|a - b|^2 + tr A + tr B - 2 tr (A^(1/2) B A^(1/2))^(1/2)"""
    half = root(A)
    return ((a - b) ** 2).sum() + np.trace(A) + np.trace(B) - 2.0 * np.trace(root(half @ B @ half))


class TestFrechet:
    def test_moments_are_the_unbiased_ones(self):
        moments = Moments.of(torch.tensor([[0.0, 1.0], [2.0, 1.0], [4.0, 4.0]]))
        assert torch.equal(moments.mean, torch.tensor([2.0, 2.0], dtype=torch.float64))
        assert torch.equal(moments.covariance, torch.tensor([[4.0, 3.0], [3.0, 3.0]], dtype=torch.float64))
        assert moments.n == 3

    def test_of_one_feature(self):
        a, b = exactly([1.0], [[4.0]]), exactly([-1.0], [[9.0]], seed=1)
        assert Moments.of(a).covariance.shape == (1, 1)
        assert frechet(Moments.of(a), Moments.of(b)) == pytest.approx(4.0 + (2.0 - 3.0) ** 2, rel=1e-10)

    def test_of_covariances_that_commute(self):
        a, b = exactly([0, 0, 0], np.diag([1.0, 4, 9])), exactly([1, -2, 0], np.diag([4.0, 4, 1]), n=25, seed=1)
        assert frechet(Moments.of(a), Moments.of(b)) == pytest.approx(5.0 + 1.0 + 0.0 + 4.0, rel=1e-10)

    def test_of_covariances_that_do_not(self):
        A, B = np.array([[2.0, 0.9], [0.9, 1.0]]), np.array([[1.0, -0.5], [-0.5, 3.0]])
        a, b = np.array([0.5, 0.0]), np.array([0.0, 2.0])
        assert np.abs(A @ B - B @ A).max() > 0.5
        found = frechet(Moments.of(exactly(a, A)), Moments.of(exactly(b, B, n=90, seed=1)))
        assert found == pytest.approx(gauss(a, A, b, B), rel=1e-10)

    def test_is_0_of_a_set_and_itself_and_does_not_mind_the_order(self):
        a, b = Moments.of(points(60, 5)), Moments.of(points(50, 5, 1) + 0.3)
        assert frechet(a, a) == pytest.approx(0.0, abs=1e-12)
        assert frechet(a, b) == pytest.approx(frechet(b, a), rel=1e-12)

    def test_fewer_vectors_than_features(self):
        a, b = points(6, 20), points(6, 20, 1) + 1.0
        A, B = (np.cov(x.numpy(), rowvar=False) for x in (a, b))
        cross = np.linalg.svd((a - a.mean(0)).numpy() @ (b - b.mean(0)).numpy().T, compute_uv=False).sum() / 5
        wanted = float((a.mean(0) - b.mean(0)).square().sum()) + np.trace(A) + np.trace(B) - 2 * cross
        assert frechet(Moments.of(a), Moments.of(b)) == pytest.approx(wanted, rel=1e-5)

    def test_single_precision_features_are_summed_in_double(self):
        x = 1000.0 + points(3000, 3, dtype=torch.float32)
        torch.testing.assert_close(Moments.of(x).mean, x.double().mean(0), rtol=1e-13, atol=0)
        torch.testing.assert_close(Moments.of(x).covariance, x.double().T.cov(), rtol=1e-12, atol=1e-14)


class TestKernelDistance:
    def test_of_the_whole_sets_by_a_loop(self):
        x, y = points(7, 3).numpy(), points(7, 3, 1).numpy() + 0.5

        def kernel(a, b):
            return (sum(i * j for i, j in zip(a, b, strict=True)) / 3 + 1) ** 3

        within = sum(kernel(s[i], s[j]) for s in (x, y) for i in range(7) for j in range(7) if i != j) / (7 * 6)
        wanted = within - 2 * sum(kernel(a, b) for a in x for b in y) / 49
        found = kernel_distance(torch.from_numpy(x), torch.from_numpy(y), subsets=3, size=7)
        assert found == {"kid": pytest.approx(wanted, rel=1e-12), "kid_std": pytest.approx(0.0, abs=1e-12)}

    def test_of_subsets_mean_and_deviation(self):
        x, y = points(40, 4), points(50, 4, 1) + 0.2
        draw, each = np.random.RandomState(5), []
        for _ in range(6):
            chosen = draw.choice(40, 10, replace=False), draw.choice(50, 10, replace=False)
            each.append(kernel_distance(x[chosen[0]], y[chosen[1]], subsets=1, size=10)["kid"])
        found = kernel_distance(x, y, subsets=6, size=10, seed=5)
        assert found == {"kid": pytest.approx(np.mean(each), rel=1e-12), "kid_std": pytest.approx(np.std(each))}
        assert found["kid_std"] > 0

    def test_may_be_below_0(self):
        assert min(kernel_distance(points(30, 2), points(30, 2, seed), 1, 30)["kid"] for seed in range(1, 6)) < 0


class TestClassScore:
    def test_of_certain_and_even_predictions(self):
        logits = 1e4 * torch.eye(5).repeat(60, 1)  # so sure that a softmax in float64 is 0 for the other classes
        found = class_score(logits, splits=1, key="class_score")
        assert found == {"class_score": pytest.approx(5.0, rel=1e-12), "class_score_std": 0.0}

    def test_of_predictions_that_say_nothing(self):
        found = class_score(torch.full((50, 7), 3.0))
        assert found == {"inception_score": pytest.approx(1.0, rel=1e-12), "inception_score_std": pytest.approx(0.0)}

    def test_a_class_that_a_split_never_sees(self):
        logits = 1e4 * torch.eye(10)[torch.arange(40) % 2]
        found = class_score(logits, splits=1)
        assert found["inception_score"] == pytest.approx(2.0, rel=1e-12)

    def test_of_splits_by_a_loop(self):
        logits, order = points(23, 4), np.random.RandomState(9).permutation(23)
        scores = []
        for i in range(3):
            part = logits.numpy()[order[i * 23 // 3 : (i + 1) * 23 // 3]]
            p = np.exp(part) / np.exp(part).sum(1, keepdims=True)
            scores.append(np.exp(np.mean([(row * np.log(row / p.mean(0))).sum() for row in p])))
        found = class_score(logits, splits=3, seed=9)
        assert found["inception_score"] == pytest.approx(np.mean(scores), rel=1e-12)
        assert found["inception_score_std"] == pytest.approx(np.std(scores), rel=1e-10)


def by_loop(fake, real, k):
    """The share of fakes within the k-th neighbour's distance of some real."""
    fake, real = fake.numpy(), real.numpy()
    radius = [sorted(np.linalg.norm(x - y) for j, y in enumerate(real) if j != i)[k - 1] for i, x in enumerate(real)]
    inside = [any(np.linalg.norm(y - x) <= r for x, r in zip(real, radius, strict=True)) for y in fake]
    return np.mean(inside)


class TestPrecisionRecall:
    @pytest.mark.parametrize("k", [1, 3, 5])
    @pytest.mark.parametrize("budget", [moments.BLOCK_BYTES, 24 * 45 * 7])  # all at once, 7 rows at a time
    def test_by_a_loop(self, monkeypatch, k, budget):
        monkeypatch.setattr(moments, "BLOCK_BYTES", budget)
        fake, real = 0.6 * points(45, 3) + 0.3, points(38, 3, 1)
        found = precision_recall(fake, real, k)
        assert found == {
            "precision": pytest.approx(by_loop(fake, real, k)),
            "recall": pytest.approx(by_loop(real, fake, k)),
        }
        assert found["precision"] != pytest.approx(found["recall"], abs=0.1)

    def test_a_collapsed_generator_is_precise_and_recalls_little(self):
        real = points(200, 4)
        found = precision_recall(real[:1] + 0.01 * points(200, 4, 1), real)
        assert found["precision"] == 1.0
        assert found["recall"] < 0.05

    def test_a_set_has_both_of_itself(self):
        x = points(60, 30, dtype=torch.float32)
        assert precision_recall(x, x.clone()) == {"precision": 1.0, "recall": 1.0}

    def test_memory_of_50_000_a_side(self):
        rows = moments._rows(50_000, 4)
        assert 100 <= rows <= 400_000_000 / (50_000 * (2 * 4 + 8))
        assert moments._rows(10**12, 8) == 1


def figures(fake, real):
    return (
        frechet(Moments.of(fake), Moments.of(real)),
        kernel_distance(fake, real, 2, 20),
        class_score(fake, 4),
        precision_recall(fake, real),
    )


def test_precision_of_what_comes_in_hardly_matters():
    fake, real = points(60, 6, dtype=torch.float32), points(70, 6, 1, dtype=torch.float32) + 1.0
    for single, double in zip(figures(fake, real), figures(fake.double(), real.double()), strict=True):
        assert single == pytest.approx(double, rel=1e-5)
    mixed = kernel_distance(fake.bfloat16(), real, 2, 20)
    assert mixed["kid"] == pytest.approx(kernel_distance(fake, real, 2, 20)["kid"], rel=0.05)


def test_the_host_is_left_alone(capfd):
    numpys, torchs = np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
    fake = points(60, 6).requires_grad_()
    first = figures(fake, points(70, 6, 1))
    assert first == figures(fake, points(70, 6, 1))
    assert np.array_equal(np.random.get_state()[1], numpys)  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), torchs)
    assert capfd.readouterr() == ("", "")


def test_wrong_arguments():
    x = points(10, 3)
    for call, complaint in (
        (lambda: Moments.of(x[:1]), "at least 2 feature vectors, got 1"),
        (lambda: Moments.of(x[0]), r"\(n, dim >= 1\) of floats, got torch.float64 \(3,\)"),
        (lambda: Moments.of(x.long()), "of floats, got torch.int64"),
        (lambda: frechet(Moments.of(x), Moments.of(x[:, :2])), "equally many features, got 3 and 2"),
        (lambda: kernel_distance(x, x), "at least 1,000 fake feature vectors, got 10"),
        (lambda: kernel_distance(x, x[:9], 5, 10), "at least 10 real feature vectors, got 9"),
        (lambda: kernel_distance(x, x[:, :2], 5, 10), "equally many features, got 3 and 2"),
        (lambda: kernel_distance(x, x, 0, 10), "subsets must be"),
        (lambda: kernel_distance(x, x, 1, 1), "size must be"),
        (lambda: class_score(x, splits=11), "at least 11 logits, got 10"),
        (lambda: class_score(x, splits=0), "splits must be"),
        (lambda: precision_recall(x[:3], x), "at least 4 fake feature vectors, got 3"),
        (lambda: precision_recall(x, x[:1], k=1), "at least 2 real feature vectors, got 1"),
        (lambda: precision_recall(x, x, k=0), "k must be"),
    ):
        with pytest.raises(InputError, match=complaint) as caught:
            call()
        assert "\n" not in str(caught.value)
    x[4, 1] = float("nan")
    for call in (Moments.of, class_score, lambda x: precision_recall(points(9, 3), x)):
        with pytest.raises(NonFiniteError, match="1 of 10"):
            call(x)
