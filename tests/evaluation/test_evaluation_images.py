"""Images judged by features: the parts are the functions, real sides are kept, fakes are measured as saved."""

import numpy as np
import pytest
import torch
from PIL import Image
from plainnet import Quarters, noise
from torch.utils.data import DataLoader, TensorDataset

import steadygan as sg
from steadygan.data import DATA, Source
from steadygan.errors import InputError
from steadygan.evaluation import evaluator
from steadygan.evaluation import real_side as sides
from steadygan.evaluation.real_side import real_side
from steadygan.features import CIFAR
from steadygan.metrics import Manifold, Moments, RealSide, class_modes, frechet, precision_recall


def real(n=400, held=300):
    """Dark and light images in turn."""
    dark, light = noise(n, 1, low=0, high=120), noise(n, 2, low=130, high=256)
    train = torch.where((torch.arange(n) % 2 == 0).view(-1, 1, 1, 1), dark, light)
    return Source("real", (1, 8, 8), train, torch.arange(n) % 2, held_out=noise(held, 3), image=True)


def fakes(n=200):
    return noise(n, 4, low=20, high=200)


def judged(x, source=None, **changes):
    return sg.evaluate(x, source or real(), features=Quarters(), **changes)


def test_figures_are_the_functions():
    found, net = judged(fakes()), Quarters()
    vectors, logits = net(fakes())
    order = torch.randperm(400, generator=torch.Generator().manual_seed(0))
    other = net(real().train[order])
    assert found.figures["frechet"] == pytest.approx(frechet(Moments.of(vectors), Moments.of(other.vectors)))
    near = Manifold(other.vectors[:200])(vectors) | precision_recall(vectors, other.vectors[:200])
    for name, value in near.items():
        assert found.figures[name] == pytest.approx(value)
    modes = class_modes(logits.argmax(1), 2, torch.tensor([200, 200]))
    for name in ("modes", "mode_kl", "emptiest_mode"):
        assert found.figures[name] == pytest.approx(modes[name])
    assert found.figures["confidence"] == pytest.approx(float(logits.softmax(1).amax(1).mean()))
    assert "kernel_distance" not in found.figures
    assert any("1,000 fakes, got 200" in note for note in found.notes)


def test_photographs_without_a_download():
    """All figures of a network with classes, none called FID, and those of held-out images beside them."""
    draw = torch.Generator().manual_seed(0)
    train, held, x = (torch.randint(0, 256, (n, 3, 32, 32), dtype=torch.uint8, generator=draw) for n in (140, 130, 120))
    found = sg.evaluate(x, Source("photographs", (3, 32, 32), train, held_out=held, image=True), features="cifar")
    beside = {"frechet", "class_score", "precision", "recall", "density", "coverage"}
    assert found.figures.keys() >= {*beside, "balance", "energy_distance"}
    assert found.reference.keys() >= beside
    assert not found.figures.keys() & {"fid", "kid", "inception_score"}
    assert found.protocols["frechet"].features == f"cifar {CIFAR.card['sha256'][:12]} (none: 32 x 32 as they are)"


@pytest.mark.parametrize(
    ("shape", "wanted"), [((3, 32, 32), "cifar or inception"), ((1, 28, 28), "digits or inception"), ((3, 8, 8), "inc")]
)
def test_networks_that_could_measure_are_named(shape, wanted):
    x = torch.zeros(100, *shape, dtype=torch.uint8)
    for metric, names in (("frechet", wanted), ("fid", "inception")):
        with pytest.raises(InputError, match=f"got {metric}: add --features {names}"):
            sg.evaluate(x, Source("mine", shape, x, image=True), metrics=[metric])


def test_every_figure_has_a_protocol():
    found = judged(fakes())
    named = {name for name in found.figures if not name.startswith("class_0") and not name.startswith("class_1")}
    assert named - {"class_score_std"} <= found.protocols.keys()
    protocol = found.protocols["frechet"]
    assert protocol.features == "quarters 0123 (none)"
    assert (protocol.n_fake, protocol.n_real) == (200, 400)
    assert protocol.real.startswith("real train ")
    assert "8 bits" in protocol.pixels
    assert found.protocols["recall"].n_real == 200
    assert found.protocols["energy_distance"].features == ""


def test_the_split_that_is_asked_for():
    train, held = judged(fakes()), judged(fakes(), split="held_out")
    vectors = Quarters()(fakes()).vectors
    expected = frechet(Moments.of(vectors), Moments.of(Quarters()(noise(300, 3)).vectors))
    assert held.figures["frechet"] == pytest.approx(expected)
    assert held.figures["frechet"] != train.figures["frechet"]
    assert held.protocols["frechet"].real.startswith("real held_out")


def test_real_images_do_well_and_copies_are_noticed():
    source = real()
    copies = judged(source.train[:200], source)
    assert copies.figures["memorised"] == 1.0
    everything = judged(source.train, source)
    assert everything.figures["frechet"] == pytest.approx(0.0, abs=1e-9)
    assert everything.figures["density"] == everything.figures["coverage"] == everything.figures["recall"] == 1.0


def test_floats_are_measured_as_the_bytes_they_would_be_saved_as():
    pixels = fakes()
    exact = pixels.float() / 127.5 - 1.0
    moved = exact + torch.linspace(-0.49, 0.49, 200).view(-1, 1, 1, 1) / 127.5  # less than half a step
    assert judged(moved).figures == judged(pixels).figures


def test_real_features_are_computed_once(monkeypatch):
    monkeypatch.setattr(sides, "KEPT_FROM", 100)
    first, again, other = Quarters(), Quarters(), Quarters(digest="4567")
    side = real_side(real(), first)
    assert sum(first.calls) == 700
    kept = real_side(real(), again)
    assert again.calls == []
    assert torch.equal(kept.train.vectors, side.train.vectors)
    assert torch.equal(kept.held.logits, side.held.logits)
    real_side(real(), other)  # another network under the same name
    assert sum(other.calls) == 700
    changed = real()
    changed.train[0] += 1
    fresh = Quarters()
    real_side(changed, fresh)
    assert sum(fresh.calls) == 400  # the held-out images are the same


def test_at_most_so_many_real_images():
    side = real_side(real(), Quarters(), most=50)
    assert (side.train.n, side.held.n) == (50, 50)


def test_the_data_s_own_labels_say_how_frequent_its_classes_are():
    unlabelled = Source("u", (1, 8, 8), real().train[:300], held_out=noise(10), image=True)
    labelled = Source("l", (1, 8, 8), real().train[:300], torch.arange(300) % 2, image=True, held_out=noise(10))
    assert real_side(labelled, Quarters(), most=99).shares.tolist() == [150, 150]
    assert sum(real_side(unlabelled, Quarters(), most=99).shares.tolist()) == 99
    strange = Source("s", (1, 8, 8), real().train[:300], (torch.arange(300) + 1) % 2, image=True)
    assert sum(real_side(strange, Quarters(), most=99).shares.tolist()) == 99  # its classes mean something else
    dark = Source("d", (1, 8, 8), noise(300, high=100), image=True)
    assert real_side(dark, Quarters()).shares is None  # a class that the data has not
    assert "modes" not in judged(fakes(), dark).figures


def test_jpeg_files_are_taken_with_a_warning(tmp_path):
    for i, pixels in enumerate(noise(120, 5, (1, 16, 16))):
        Image.fromarray(pixels[0].numpy()).save(tmp_path / f"{i:03d}.{'jpg' if i < 30 else 'png'}")
    source = Source("real", (1, 16, 16), noise(150, 6, (1, 16, 16)), image=True)
    found = sg.evaluate(tmp_path, source, features=Quarters())
    (warning,) = [note for note in found.notes if "JPEG" in note]
    assert warning.startswith("30 of the fakes")
    assert "21 at 75" in warning
    (warning,) = [note for note in sg.evaluate(source.train, tmp_path, features=Quarters()).notes if "JPEG" in note]
    assert warning.startswith("30 of the real images")


def test_an_array_in_a_file_is_judged_as_the_array(tmp_path):
    np.savez(tmp_path / "fakes.npz", images=fakes()[:, 0].numpy())
    assert judged(tmp_path / "fakes.npz").figures == judged(fakes()).figures
    assert judged(tmp_path / "fakes.npz", n=150).figures == judged(fakes()[:150]).figures


U = noise(150, 4, (3, 8, 8), low=20)
WAYS = {
    "tensor": lambda x, _: torch.from_numpy(x),
    "array": lambda x, _: x,
    "dataset": lambda x, _: TensorDataset(torch.from_numpy(x)),
    "loader": lambda x, _: DataLoader(TensorDataset(torch.from_numpy(x))),
    "npy": lambda x, path: np.save(path / "x.npy", x) or path / "x.npy",
    "npz": lambda x, path: np.savez(path / "x.npz", x=x) or path / "x.npz",
}
KINDS = {
    "uint8": lambda u: u,
    "channels last": lambda u: u.transpose(0, 2, 3, 1),
    "0 to 1": lambda u: u / np.float32(255),
    "-1 to 1": lambda u: u / np.float32(127.5) - 1,
    "0 to 255": lambda u: u.astype(np.float64),
}


@pytest.fixture(scope="module")
def measured():
    """What these images get against others."""
    return sg.evaluate(U, noise(200, 3, (3, 8, 8)), metrics=["energy_distance"])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", KINDS)
def test_the_same_images_are_the_same_however_they_are_given(tmp_path, measured, way, kind):
    given = WAYS[way](np.ascontiguousarray(KINDS[kind](U.numpy())), tmp_path)
    found = sg.evaluate(given, noise(200, 3, (3, 8, 8)), metrics=["energy_distance"])
    assert found.figures == measured.figures
    if kind == "0 to 1":
        assert any("rescaled to [-1, 1]" in note for note in found.notes)


def test_sides_in_different_ranges_are_refused():
    u = U.float()
    with pytest.raises(InputError, match=r"expected images in \[0, 1\] as in data, got \[-1, 1\] in data"):
        sg.evaluate(u / 127.5 - 1, u / 255)


def test_the_notes_of_both_sides_reach_the_result(tmp_path):
    for i, pixels in enumerate(U):
        Image.fromarray(pixels.permute(1, 2, 0).numpy()).save(tmp_path / f"{i:03d}.png")
    np.save(tmp_path / "fakes.npy", U.numpy() // 16)
    notes = sg.evaluate(tmp_path / "fakes.npy", tmp_path, metrics=["energy_distance"]).notes
    assert any("150 images of 8 x 8" in note and note.startswith(tmp_path.name) for note in notes)
    assert any("nearly black" in note for note in notes)


@pytest.mark.parametrize("swapped", [False, True])
def test_grey_saved_as_rgb_is_grey(swapped):
    grey, other = U[:, :1], noise(200, 3)
    wanted = sg.evaluate(grey, other, metrics=["energy_distance"]).figures["energy_distance"]
    sides = (grey, other.expand(-1, 3, -1, -1)) if swapped else (grey.expand(-1, 3, -1, -1), other)
    found = sg.evaluate(*sides, metrics=["energy_distance"])
    assert found.figures["energy_distance"] == pytest.approx(wanted * (3**0.5 if swapped else 1.0), rel=1e-4)
    assert any("equal: grey saved as RGB" in note for note in found.notes)
    with pytest.raises(InputError, match="expected images of"):
        sg.evaluate(*((grey, U) if swapped else (U, other)))


def test_only_the_figures_that_are_wanted():
    found = judged(fakes(), metrics=["recall", "balance"])
    assert list(found.figures) == ["recall", "balance"]
    assert not found.reference.keys() & {"frechet", "class_score", "memorised"}  # nor is real data's worked out
    assert found.figures["recall"] == judged(fakes()).figures["recall"]


def test_the_host_is_left_as_it_was():
    torch.manual_seed(5)
    before, arrays = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    judged(fakes())
    assert torch.equal(torch.random.get_rng_state(), before)
    assert (np.random.get_state()[1] == arrays).all()  # noqa: NPY002


def test_held_out_images_stand_beside_the_fakes(monkeypatch):
    source, net = real(), Quarters()
    found = judged(fakes(), source)
    order = torch.randperm(300, generator=torch.Generator().manual_seed(0))
    held, train = net(source.held_out[order[:200]]).vectors, net(source.train).vectors
    assert found.reference["frechet"] == pytest.approx(frechet(Moments.of(held), Moments.of(train)))
    assert found.reference["memorised"] == 0.01
    assert "balance" not in found.reference  # its own reference
    assert "frechet" not in judged(fakes(), source, split="held_out").reference
    monkeypatch.setattr(evaluator, "KEPT_FROM", 100)
    kept = judged(fakes(), source).reference
    assert kept == pytest.approx(found.reference)
    monkeypatch.setattr(RealSide, "held_out_does", None)  # not asked again
    assert judged(fakes(), source).reference == kept


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"metrics": ["kernel_distance"]}, "got kernel_distance: it needs 1,000 fakes, got 200"),
        ({"metrics": ["fid"], "features": None}, "got fid: add --features inception"),
        ({"metrics": ["recal"]}, "unknown metric 'recal': did you mean 'recall'"),
        ({"features": lambda x: x}, "expected features as the name of a network, a FeatureNetwork .* got function"),
    ],
)
def test_figures_that_cannot_be_had(changes, message):
    with pytest.raises(InputError, match=message):
        sg.evaluate(fakes(), real(), **{"features": Quarters(), **changes})


def test_points_have_no_features():
    x = DATA["ring8"]().fresh(500, torch.Generator().manual_seed(0))
    with pytest.raises(InputError, match="expected images for features, got points in ring8: leave out features"):
        sg.evaluate(x, "ring8", features="digits")
