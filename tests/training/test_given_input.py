"""What users pass as conditions: kept as they are, decoded where they are used, refused in one line where they fail."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import steadygan as sg
from known import normal, seeded
from steadygan.data import from_user
from steadygan.errors import InputError
from steadygan.types import Batch

N = 48


def points() -> Batch:
    x = normal(0, N, 2).float()
    return Batch(x, (x[:, 0] > 0).long(), x + 5.0)


class Line(nn.Module):
    def __init__(self, numbers: int = 2) -> None:
        super().__init__()
        self.body = seeded(0, lambda: nn.Linear(numbers, 2)).float()

    def forward(self, given: Tensor) -> Tensor:
        return self.body(given)


class Beside(Line):
    """Of latents beside the condition."""

    def forward(self, z: Tensor, given: Tensor) -> Tensor:  # type: ignore[override]
        return self.body(torch.cat([z, given], 1))


class Classed(Line):
    def forward(self, given: Tensor, label: Tensor) -> Tensor:  # type: ignore[override]
        return self.body(given) + label.unsqueeze(1)


class Told(nn.Module):
    """A D that takes classes if there are any, and remembers which forwards had them."""

    def __init__(self) -> None:
        super().__init__()
        self.body = seeded(1, lambda: nn.Linear(4, 1)).float()
        self.seen: set[bool] = set()

    def forward(self, x: Tensor, given: Tensor, label: Tensor | None = None) -> Tensor:
        self.seen.add(label is not None)
        return self.body(torch.cat([x, given], 1))


def trained(data: Any, G: nn.Module, D: nn.Module | None = None, **given: Any) -> sg.Run:
    settings: dict[str, Any] = {"batch_size": 8, "log_every": 1, "evaluate_n": 16, "monitor": None} | given
    return sg.Trainer(G, D or Told(), data, **settings).fit(1)


@pytest.mark.filterwarnings("ignore:steadygan. the data have classes")
def test_classes_that_g_does_not_take_are_told_of_neither_side() -> None:
    """Labels on fakes alone would tell D which samples these are."""
    D = Told()
    run = trained(points(), Line(), D, monitor="auto")
    assert D.seen == {False}
    assert "class_agreement" not in run.metrics[-1]


def test_pixels_of_ones_own_are_decoded_as_the_datas_are() -> None:
    pixels = (normal(0, N, 1, 8, 8) * 40 + 128).to(torch.uint8)

    class Image(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = seeded(0, lambda: nn.Conv2d(1, 1, 3, padding=1)).float()

        def forward(self, given: Tensor) -> Tensor:
            assert float(given.abs().max()) <= 1.0
            return self.body(given)

    class Patches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = seeded(1, lambda: nn.Conv2d(2, 1, 3)).float()

        def forward(self, x: Tensor, given: Tensor) -> Tensor:
            return self.body(torch.cat([x, given], 1))

    run = trained(Batch(pixels, given=pixels), Image(), Patches(), evaluator=None)
    for own in (pixels[:5], pixels[:5].numpy()):
        torch.testing.assert_close(run.sample(5, given=own), run.sample(5))
    kept = from_user(Batch(pixels, given=pixels)).conditions()
    assert kept is not None
    assert kept.given.dtype == torch.uint8  # four times as small as what networks receive
    torch.testing.assert_close(kept.at(torch.tensor([3]))[1], pixels[3:4].float() / 127.5 - 1.0)


def test_a_class_and_a_bound_of_latents_hold_for_conditions_too() -> None:
    run = trained(points(), Classed())
    assert run.conditions is not None
    plain = run.G(run.conditions.given[:4], torch.zeros(4))
    for label in (0, 1):
        torch.testing.assert_close(run.sample(4, label=label), plain + label)
        torch.testing.assert_close(run.sample(4, label=label, given=points().given[:4]), plain + label)
    with pytest.raises(InputError, match="expected label= beside given="):
        run.sample(4, given=points().given)
    beside = trained(points()._replace(label=None), Beside(5), latent_dim=3)
    middle = beside.G(torch.zeros(4, 3), points().given[:4])
    torch.testing.assert_close(beside.sample(4, truncation=1e-6), middle, atol=1e-5, rtol=0.0)
    assert not torch.allclose(beside.sample(4), middle, atol=1e-2)
    with pytest.raises(InputError, match="expected no interpolate, because this run's samples are made for conditions"):
        beside.sample(4, interpolate=2)
    with pytest.raises(InputError, match="expected no truncation"):
        run.sample(4, truncation=0.5)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ((), "one or more, got none"),
        ({}, "one or more, got none"),
        (torch.zeros(0, 2), r"expected conditions of the form \(2,\), one or more, got \(2,\) for 0"),
        ({"place": torch.zeros(3, 2)}, r"got \(2,\) at \['place'\] for 3: pass such"),
        (["a red bird"], "as tensors or arrays, one entry per sample, got str: encode them as numbers"),
        (torch.zeros(3, 4), r"G cannot take conditions of the form \(4,\): .*: pass those of its training"),
    ],
)
def test_conditions_that_a_run_cannot_take(given: Any, told: str) -> None:
    run = trained(points()._replace(label=None), Line())
    with pytest.raises(InputError, match=told):
        run.sample(4, given=given)
    assert run.sample(4, given=np.zeros((3, 2))).shape == (4, 2)


def test_data_that_cannot_be_used() -> None:
    x, label, given = points()
    assert label is not None
    for empty in ({}, ()):
        with pytest.raises(InputError, match=f"expected conditions for {N} train samples of 'data', got none in"):
            from_user(Batch(x, given=empty))
    with pytest.raises(InputError, match="expected conditions as tensors or arrays"):
        from_user(Batch(x, given=["a red bird"] * N))
    own: dict[str, Any] = {"name": "own", "shape": (2,), "train": x}
    with pytest.raises(InputError, match="expected held_out samples beside held_out_given"):
        sg.data.Source(**own, given=given, held_out_given=given)
    with pytest.raises(InputError, match=r"like the training samples' conditions, none, got \(2,\)"):
        sg.data.Source(**own, held_out=x, held_out_given=given)
    with pytest.raises(InputError, match=r"conditions, \(2,\), got \(3,\): pass the same"):
        sg.data.Source(**own, given=given, held_out=x, held_out_given=torch.zeros(N, 3))
    with pytest.raises(InputError, match="expected held_out_label beside held_out_given"):
        sg.data.Source(**own, label=label, given=given, held_out=x, held_out_given=given)
    with pytest.raises(InputError, match="expected data without conditions with fakes"):
        trained(Batch(x, given=given), None, fakes=x)  # type: ignore[arg-type]


def test_other_conditions_of_samples_that_are_read_are_other_data() -> None:
    class Read:
        shape = (2,)

        def __len__(self) -> int:
            return N

        def read(self, index: Tensor) -> Tensor:
            return points().x[index]

        def to(self, device: torch.device) -> Read:
            return self

    prints = {sg.data.Source("own", (2,), Read(), given=points().given + k).fingerprint() for k in (0, 0, 1)}
    assert len(prints) == 2
