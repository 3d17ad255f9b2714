"""How good fakes are as a share: known answers, its error, the clusters it counts, and reals that become others."""

from __future__ import annotations

import math

import pytest
import torch
from sklearn.metrics import silhouette_score
from torch import Tensor

import steadygan as sg
from known import normal
from steadygan.diagnostics.space import Space
from steadygan.diagnostics.yardstick import QUALITY, RECENT, Standard, Yardstick, clusters, silhouette

RING = sg.data.ring8()


def ring(seed: int, n: int = 256) -> Tensor:
    return RING.fresh(n, torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def yardstick() -> Yardstick:
    return Yardstick(ring(0), ring(1), Space.of(RING))


class TestQuality:
    def test_fresh_reals_are_as_good_as_real(self, yardstick: Yardstick) -> None:
        for seed in range(2, 12):
            found = yardstick.quality(ring(seed))
            assert found.keys() == {*QUALITY}
            assert found["quality"] > 1 - 4 * found["quality_error"]
            assert found["quality_error"] < 0.05
            assert found["covered"] > 0.95

    def test_all_in_the_middle_are_worth_nothing(self, yardstick: Yardstick) -> None:
        middle = ring(0).mean(0, keepdim=True).expand(256, 2)
        assert yardstick.quality(middle)["quality"] == pytest.approx(0.0, abs=0.01)
        assert yardstick.quality(middle + 100.0)["quality"] == 0.0

    @pytest.mark.parametrize("kept", [1, 4, 7])
    def test_modes_that_are_missing_are_not_served(self, yardstick: Yardstick, kept: int) -> None:
        y = ring(3, 4096)
        assert RING.centres is not None
        mode = torch.cdist(y, RING.centres.to(y)).argmin(1)
        found = yardstick.quality(y[mode < kept][:256])
        assert found["served"] == pytest.approx(kept / 8, abs=0.1)
        assert found["quality"] <= found["served"]
        assert found["covered"] == pytest.approx(kept / 8, abs=0.1)

    def test_it_does_not_depend_on_place_or_unit(self) -> None:
        real, fresh, fake = normal(0, 100, 20), normal(1, 100, 20), 0.7 * normal(2, 80, 20) + 0.2
        one = Yardstick(real, fresh).quality(fake)
        other = Yardstick(7 * real + 50, 7 * fresh + 50).quality(7 * fake + 50)
        assert 0.2 < one["quality"] < 0.95
        assert other == pytest.approx(one, rel=1e-6)

    def test_copies_of_few_training_samples_are_not_good(self) -> None:
        """Held against reals that D never saw; against the training samples themselves, they are perfect."""
        few = ring(0, 8)
        copies = few.repeat(32, 1)
        blind, seeing = Yardstick(few, ring(1)), Yardstick(few, ring(1), unseen=ring(2))
        assert blind.quality(copies)["covered"] == 1.0
        assert seeing.quality(copies)["covered"] < 0.5
        assert seeing.quality(ring(3))["quality"] > 0.9

    def test_it_is_that_of_the_figures(self, yardstick: Yardstick) -> None:
        fake = 0.8 * ring(4)
        figures = yardstick.figures(fake)[0]
        assert yardstick.quality(fake) == pytest.approx({key: figures[key] for key in QUALITY}, rel=1e-12)

    @pytest.mark.parametrize("value", [math.nan, math.inf])
    def test_not_finite(self, yardstick: Yardstick, value: float) -> None:
        fake = ring(5)
        fake[3, 0] = value
        found = yardstick.quality(fake)
        assert found.keys() == {*QUALITY}
        assert all(math.isnan(figure) for figure in found.values())

    def test_equal_reals_want_equal_fakes(self) -> None:
        real = normal(0, 1, 3).repeat(40, 1)
        fake = torch.cat([real[:6], normal(1, 10, 3)])
        found = Yardstick(real[:20], real[20:]).quality(fake)
        assert found["quality"] == 6 / 16
        assert found["quality_error"] == pytest.approx(1 / 4)

    @pytest.mark.parametrize("scale", [0.9, 0.6])
    def test_its_error_is_its_deviation_over_draws(self, yardstick: Yardstick, scale: float) -> None:
        """Of independent fakes; the reals stay."""
        found = [yardstick.quality(scale * ring(seed)) for seed in range(20, 120)]
        quality = torch.tensor([each["quality"] for each in found])
        told = sum(each["quality_error"] for each in found) / len(found)
        assert 0.3 * told < float(quality.std()) < 1.3 * told


class TestAgreement:
    def test_labels_that_belong_to_fakes_or_not(self) -> None:
        x, z, y = ring(0), ring(1), ring(2)
        assert RING.centres is not None
        label, told = (torch.cdist(part, RING.centres.to(part)).argmin(1) for part in (x, y))
        yardstick = Yardstick(x, z, Space.of(RING), label)
        assert yardstick.agreement(y, told) == pytest.approx(1.0, abs=0.02)
        assert yardstick.agreement(y, (told + 1) % 8) == pytest.approx(0.0, abs=0.02)
        shuffled = told[torch.randperm(len(told), generator=torch.Generator().manual_seed(0))]
        assert yardstick.agreement(y, shuffled) == pytest.approx(1 / 8, abs=0.08)
        assert yardstick.agreement(y * math.nan, told) is None
        assert Yardstick(x, z, Space.of(RING)).agreement(y, told) is None

    def test_parts_that_do_not_tell_classes_apart_say_nothing(self) -> None:
        label = torch.arange(256) % 4
        assert Yardstick(ring(0), ring(1), Space.of(RING), label).agreement(ring(2), label) is None


class TestClusters:
    @pytest.mark.parametrize("seed", range(3))
    def test_silhouette_is_that_of_sklearn(self, seed: int) -> None:
        x = normal(seed, 60, 3)
        where = torch.randint(0, 5, (60,), generator=torch.Generator().manual_seed(seed))
        where[0] = 5  # alone in its cluster
        apart = torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist")
        assert silhouette(apart, where) == pytest.approx(silhouette_score(x.numpy(), where.numpy()), abs=1e-12)

    def test_eight_of_a_ring(self) -> None:
        assert RING.centres is not None
        found = clusters(ring(0, 512).double(), 24)
        assert found.shape == (8, 2)
        off = torch.cdist(RING.centres.double(), found).amin(1)
        assert float(off.max()) < 0.02  # the standard deviation is 0.014

    def test_what_has_no_parts_is_cut_into_as_many_as_are_asked_for(self) -> None:
        x = normal(0, 512, 2)
        assert len(clusters(x, 24)) == 24
        assert torch.equal(clusters(x, 24), clusters(x, 24))
        assert len(clusters(x[:20], 1)) == 1


class TestStandard:
    @pytest.fixture
    def standard(self, yardstick: Yardstick) -> Standard:
        return Standard(yardstick)

    def test_chance_changes_nothing(self, standard: Standard) -> None:
        first = standard.yardstick
        assert not any(standard.renew(ring(1000 + i, RECENT)) for i in range(200))
        assert standard.yardstick is first
        assert standard.state() == {}

    def test_other_data_at_two_looks_in_a_row(self, standard: Standard) -> None:
        other = ring(7, RECENT) + 1.0
        assert not standard.renew(other)
        assert not standard.renew(ring(8, RECENT))  # as before: nothing changed
        assert not standard.renew(other)
        assert standard.yardstick.quality(other[:256])["quality"] < 0.5
        assert standard.renew(other)
        assert standard.yardstick.quality(ring(9) + 1.0)["quality"] > 0.8
        assert standard.yardstick.quality(ring(9))["quality"] < 0.5
        assert not standard.renew(ring(10, RECENT) + 1.0)

    def test_too_few_or_spoilt_reals_tell_nothing(self, standard: Standard) -> None:
        assert not any(standard.renew(ring(7, RECENT - 1) + 1.0) for _ in range(3))
        assert not any(standard.renew(ring(7, RECENT) * math.nan) for _ in range(3))
        assert standard.odd == 0

    def test_it_goes_on_from_its_state(self, standard: Standard, yardstick: Yardstick) -> None:
        other = ring(7, RECENT) + 1.0
        for looks in (1, 2):
            standard.renew(other)
            again = Standard(yardstick)
            again.restore(standard.state())
            assert again.odd == standard.odd == looks % 2
            fake = ring(11) + 0.9
            assert again.yardstick.figures(fake)[0] == standard.yardstick.figures(fake)[0]
        assert standard.state()["made_of"].equal(other)
