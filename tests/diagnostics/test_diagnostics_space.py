"""In which space samples are compared, and into which parts the data fall, for each kind of source."""

from __future__ import annotations

import torch

from known import normal
from steadygan.data import DATA, Source
from steadygan.diagnostics.space import MOST, RandomConvolutions, Space, as_they_are
from steadygan.features import FEATURES, extract
from steadygan.pixels import to_pixels


def images(n: int, *shape: int, seed: int = 0) -> torch.Tensor:
    return normal(seed, n, *shape, dtype=torch.float32).tanh()


def test_centres_are_the_parts() -> None:
    for name, modes in (("ring8", 8), ("grid25", 25)):
        source = DATA[name]()
        space = Space.of(source)
        assert space.parts == modes
        assert space.embed is as_they_are
        assert space.part is None
        assert source.centres is not None
        assert space.centres is not None
        assert torch.equal(space.centres, source.centres)


def test_more_centres_than_a_look_can_tell_apart_are_no_parts() -> None:
    centres = normal(0, MOST + 1, 2, dtype=torch.float32)
    assert Space.of(Source("many", (2,), centres, centres=centres)) == Space()


def test_points_are_compared_as_they_are() -> None:
    space = Space.of(Source("points", (3,), normal(0, 30, 3)))
    assert space == Space()
    x = normal(1, 5, 3, 2)
    assert torch.equal(space.embed(x), x.flatten(1))


def test_classes_of_the_nearest_samples() -> None:
    source = DATA["digits"]()
    space = Space.of(source)
    assert (space.parts, space.embed) == (10, as_they_are)
    assert space.part is not None
    known = source.at(torch.arange(100))
    assert space.part(known.x.flatten(1)).equal(known.label)


def test_a_network_of_the_datas_own() -> None:
    x = images(40, 1, 28, 28)
    space = Space.of(Source("digits", (1, 28, 28), x, image=True, features="digits"))
    found = extract(FEATURES["digits"]((1, 28, 28)), to_pixels(x))
    assert found.logits is not None
    assert space.parts == found.logits.shape[1] == 10
    vectors = space.embed(x)
    assert torch.equal(vectors, torch.cat([found.vectors, found.logits], 1))
    assert space.part is not None
    assert torch.equal(space.part(vectors), found.logits.argmax(1))


def test_images_of_which_nothing_is_known_go_through_random_convolutions() -> None:
    x = images(6, 3, 16, 16)
    space = Space.of(Source("pictures", (3, 16, 16), x, image=True, nearest_classes=False))
    assert (space.part, space.parts) == (None, 0)
    vectors = space.embed(x)
    assert vectors.shape == (6, 32 * 4 * 4)
    assert torch.equal(vectors, RandomConvolutions(3)(x))  # the same everywhere
    assert torch.equal(Space.of_shape((3, 16, 16)).embed(x), vectors)
    assert not torch.equal(vectors[:1], vectors[1:2])
    assert not any(p.requires_grad for p in RandomConvolutions(3).parameters())
    assert Space.of_shape((3, 3, 3)) == Space.of_shape((7,)) == Space()  # too few pixels; no image


def test_no_random_number_is_drawn_from_the_host() -> None:
    before = torch.get_rng_state()
    RandomConvolutions(1)
    assert torch.equal(torch.get_rng_state(), before)
