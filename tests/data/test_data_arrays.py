"""Arrays of images: which axes and values are understood, and one line for all others."""

import pickle

import numpy as np
import pytest
import torch

from steadygan.data import arrays
from steadygan.data.images.folder import folder
from steadygan.errors import InputError

RNG = np.random.default_rng(2)
X = RNG.integers(0, 256, (5, 3, 8, 8), dtype=np.uint8)


@pytest.fixture
def saved(tmp_path):
    def save(array, name="x.npy"):
        np.save(tmp_path / name, array)
        return tmp_path / name

    return save


def refusal(path, **settings):
    with pytest.raises(InputError) as caught:
        folder(path, **settings)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("expected")
    assert ", got " in message
    return message


@pytest.mark.parametrize(
    ("array", "wanted"),
    [
        (X, X),
        (X.transpose(0, 2, 3, 1), X),
        (np.asfortranarray(X), X),
        (X[:, 0], X[:, :1]),
        (X[:, :1], X[:, :1]),
        (X[:, :1].transpose(0, 2, 3, 1), X[:, :1]),
    ],
)
def test_axes_of_pixels(saved, array, wanted):
    source = folder(saved(array))
    assert source.train.dtype == torch.uint8
    np.testing.assert_array_equal(source.train.numpy(), wanted)
    assert source.shape == wanted.shape[1:]
    assert source.name == "x.npy"
    assert source.image
    assert not source.nearest_classes
    assert source.licence == "user's own data: unknown"
    assert source.notes == ("x.npy: 5 images of 8 x 8; pixels 0 to 255",)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f4"])
def test_values_within_minus_one_and_one_are_used_as_they_are(saved, dtype):
    x = (X / 127.5 - 1).astype(dtype)
    source = folder(saved(x), flip=True, workers=1)
    assert source.train.dtype == torch.float32
    np.testing.assert_array_equal(source.train.numpy(), x.astype(np.float32))
    assert "used as they are" in source.notes[0]
    assert (source.flip, source.workers) == (True, 1)


def test_values_within_zero_and_one_are_rescaled(saved):
    x = np.linspace(0, 1, 5 * 64, dtype=np.float32).reshape(5, 8, 8)
    source = folder(saved(x))
    np.testing.assert_allclose(source.train.numpy()[:, 0], 2 * x - 1, atol=1e-7)
    assert "[0, 1] and are rescaled to [-1, 1]" in source.notes[0]


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (("z", "arr_0", "x", "samples", "images"), "images"),
        (("z", "arr_0", "x", "samples"), "samples"),
        (("z", "arr_0", "x"), "x"),
        (("z", "arr_0"), "arr_0"),
        (("z", "a"), "z"),
    ],
)
def test_npz_takes_the_array_that_is_named_so(tmp_path, names, chosen):
    np.savez(tmp_path / "x.npz", flat=np.ones((5, 2)), **{name: X + i for i, name in enumerate(names)})
    source = folder(tmp_path / "x.npz")
    assert source.name == f"x.npz:{chosen}"
    np.testing.assert_array_equal(source.train.numpy(), X + names.index(chosen))


def test_a_name_without_images_is_passed_over(tmp_path):
    np.savez_compressed(tmp_path / "x.npz", x=np.ones((5, 2)), others=X)
    assert folder(tmp_path / "x.npz").name == "x.npz:others"


@pytest.mark.parametrize("key", ["labels", "label", "y"])
@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64])
def test_labels(tmp_path, key, dtype):
    np.savez(tmp_path / "x.npz", X, **{key: np.array([2, 0, 1, 1, 0], dtype=dtype)})
    source = folder(tmp_path / "x.npz")
    assert source.label.dtype == torch.int64
    assert source.label.tolist() == [2, 0, 1, 1, 0]
    assert source.classes == 3
    assert "3 classes" in source.notes[0]


def test_labels_as_a_column(tmp_path):
    np.savez(tmp_path / "x.npz", images=X, y=np.arange(5)[:, None])
    assert folder(tmp_path / "x.npz").label.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    "labels", [np.arange(4), np.arange(5.0), np.eye(5, dtype=int), np.arange(5) - 1, np.array(list("abcde"))]
)
def test_labels_of_another_kind(tmp_path, labels):
    np.savez(tmp_path / "x.npz", images=X, labels=labels)
    assert "5 labels" in refusal(tmp_path / "x.npz")


@pytest.mark.parametrize(
    "shape", [(5,), (5, 8), (5, 2, 8, 8), (5, 8, 8, 4), (5, 1, 3, 8, 8), (5, 3, 8, 9), (0, 3, 8, 8), (5, 3, 7, 7)]
)
def test_axes_of_another_kind(saved, shape):
    assert " x ".join(map(str, shape)) in refusal(saved(np.zeros(shape, dtype=np.uint8)))


@pytest.mark.parametrize(("dtype", "said"), [(np.int64, "uint8"), (np.complex64, "complex64"), ("U3", "<U3")])
def test_numbers_of_another_kind(saved, dtype, said):
    assert said in refusal(saved(np.zeros((5, 8, 8), dtype=dtype)))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (X.astype(np.int64), "whole numbers from 0 to 255 are read as pixels"),
        (X.astype(np.float64), "whole numbers from 0 to 255 are read as pixels"),
        (X.astype(np.uint16) * 257, "16 bits are divided by 257"),
        (X.astype(">u2") * 257, "16 bits are divided by 257"),
    ],
)
def test_pixels_in_another_dtype(saved, given, said):
    source = folder(saved(given))
    assert np.array_equal(source.train.numpy(), X)
    assert said in source.notes[0]


def test_masks(saved):
    mask = X > 127
    assert np.array_equal(folder(saved(mask)).train.numpy(), 255 * mask)
    assert "brightest pixel of all is 1 of 255" in folder(saved(mask.astype(np.uint8))).notes[1]
    assert "is 16 of 255" in folder(saved(X.astype(np.uint16) * 16)).notes[1]  # 12 bits
    assert len(folder(saved(X)).notes) == 1


@pytest.mark.parametrize(
    ("value", "said"), [(4000.0, "0 to 4000"), (-1.1, "-1.1 to 0"), (np.nan, "image 3"), (np.inf, "image 3")]
)
def test_values_outside(saved, value, said):
    x = np.zeros((5, 8, 8))
    x[3, 2, 1] = value
    assert said in refusal(saved(x))


def test_size_and_channels_must_be_those_of_the_array(saved):
    path = saved(X)
    assert folder(path, size=8, channels=3).size == 5
    assert "size=16" in refusal(path, size=16)
    assert "channels=1" in refusal(path, channels=1)


def test_pickles_are_refused_and_never_run(tmp_path, saved):
    class Evil:
        def __reduce__(self):
            return (pytest.fail, ("the pickle was run",))

    (tmp_path / "evil.npy").write_bytes(pickle.dumps(Evil()))
    assert "pickle" in refusal(tmp_path / "evil.npy")
    assert "pickle" in refusal(saved(np.array([[[Evil()]]], dtype=object)))
    np.savez(tmp_path / "x.npz", images=np.array([[[Evil()]]], dtype=object))
    assert "pickle" in refusal(tmp_path / "x.npz")
    np.savez(tmp_path / "y.npz", images=X, labels=np.array([Evil()] * 5, dtype=object))
    assert "pickle" in refusal(tmp_path / "y.npz")


def test_files_that_are_too_large_are_not_read(tmp_path, saved, monkeypatch):
    monkeypatch.setattr(arrays, "IN_MEMORY", 0)
    path = saved(np.zeros((5, 40, 40), dtype=np.uint8))
    assert "GiB in x.npy" in refusal(path)
    np.savez_compressed(tmp_path / "x.npz", images=np.zeros((5, 40, 40), dtype=np.uint8))  # small when packed
    assert "GiB in x.npz:images.npy" in refusal(tmp_path / "x.npz")


def test_a_file_that_cannot_be_read(saved, monkeypatch):
    def refuse(file):
        raise PermissionError(13, "Permission denied")

    path = saved(X)
    monkeypatch.setattr(arrays, "read_npy", refuse)
    assert "x.npy, got Permission denied" in refusal(path)


@pytest.mark.parametrize("name", ["x.npy", "x.npz"])
def test_damaged_and_other_files(tmp_path, name):
    for content in (b"", b"hello, I am text and not an array at all", b"\x93NUMPY\1\0\x76\0{'descr':", b"PK\3\4" * 9):
        (tmp_path / name).write_bytes(content)
        assert name in refusal(tmp_path / name)


def test_an_archive_without_images_lists_what_is_there(tmp_path):
    np.savez(tmp_path / "x.npz", x=np.ones((5, 2)))
    assert "x (5, 2)" in refusal(tmp_path / "x.npz")
    np.savez(tmp_path / "y.npz")
    assert "no array" in refusal(tmp_path / "y.npz")
