"""A folder or zip of the user's own images, from the path to the source, with one line for whatever is wrong."""

import hashlib
import os
import shutil
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image
from test_data_picture import encoded, png

from steadygan.data.images.folder import folder
from steadygan.errors import InputError

RNG = np.random.default_rng(1)


@pytest.fixture(autouse=True)
def kept(tmp_path, monkeypatch):
    """The folder in which decoded images are kept."""
    monkeypatch.setenv("STEADYGAN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "images"


def write(place, files):
    """Writes images, or bytes, below the folder `place` and gives it."""
    for name, content in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(content if isinstance(content, bytes) else encoded(content))
    return place


@pytest.fixture
def mine(tmp_path):
    return lambda files: write(tmp_path / "mine", files)


def noise(*shape):
    return RNG.integers(0, 256, shape, dtype=np.uint8)


def refusal(path, **settings):
    with pytest.raises(InputError) as caught:
        folder(path, **settings)
    message = str(caught.value)
    assert "\n" not in message
    assert ", got " in message or " must be " in message or "found nothing" in message
    return message


def prepared_folders(kept):
    return sorted(place for place in kept.iterdir() if place.is_dir()) if kept.exists() else []


CLASSED = {f"{name}/{i}.png": noise(8, 8, 3) for name in ("dog", "cat") for i in range(3)}


def test_images_and_classes(mine):
    source = folder(mine(CLASSED))
    wanted = np.stack([CLASSED[name] for name in sorted(CLASSED)]).transpose(0, 3, 1, 2)
    assert (source.name, source.shape, source.size) == ("mine", (3, 8, 8), 6)
    assert source.train.dtype == torch.uint8
    np.testing.assert_array_equal(source.train.numpy(), wanted)
    assert source.label.tolist() == [0, 0, 0, 1, 1, 1]
    assert source.label.dtype == torch.int64
    assert source.class_names == ("cat", "dog")
    assert source.held_out is None
    assert source.image
    assert not source.nearest_classes
    assert not source.flip
    assert source.workers is None
    assert source.licence == "user's own data: unknown"
    assert source.notes == ("mine: 6 images of 8 x 8, 2 classes",)
    torch.testing.assert_close(source.at(torch.tensor([4])).x[0], torch.from_numpy(wanted[4] / 127.5 - 1).float())


def test_the_digest_is_that_of_the_pixels_and_labels(mine):
    source = folder(mine(CLASSED))
    content = source.train.numpy().tobytes() + source.label.numpy().astype("<i8").tobytes()
    assert source.digest == source.fingerprint() == hashlib.blake2b(content, digest_size=16).hexdigest()


def test_a_zip_gives_what_its_folder_gives(mine, tmp_path):
    path = mine(CLASSED | {"readme.txt": b"hello"})
    packed = shutil.make_archive(str(tmp_path / "mine"), "zip", tmp_path, "mine")  # the folder around everything
    ours, theirs = folder(path), folder(packed)
    assert torch.equal(ours.train, theirs.train)
    assert torch.equal(ours.label, theirs.label)
    assert (ours.name, ours.class_names, ours.digest, ours.notes) == (
        theirs.name, theirs.class_names, theirs.digest, theirs.notes,
    )  # fmt: skip
    assert ours.notes == ("mine: 6 images of 8 x 8, 2 classes; 1 other file is ignored",)


def test_splits_and_grey_images(mine):
    files = {"train/b/1.png": noise(8, 8), "train/a/1.png": noise(8, 8), "test/b/9.png": noise(8, 8)}
    source = folder(mine(files), flip=True)
    assert source.shape == (1, 8, 8)
    assert source.class_names == ("a", "b")
    np.testing.assert_array_equal(source.train.numpy()[:, 0], [files["train/a/1.png"], files["train/b/1.png"]])
    np.testing.assert_array_equal(source.held_out.numpy()[:, 0], [files["test/b/9.png"]])
    assert source.held_out_label.tolist() == [1]
    assert source.flip
    assert source.notes == ("mine: 2 images and 1 held-out one of 8 x 8, 2 classes",)
    assert folder(mine({}), channels=3).shape == (3, 8, 8)


def test_tiny_imagenets_layout_with_labels_from_its_table(mine, kept):
    files = {
        "train/n1/images/n1_0.JPEG": noise(8, 8, 3),
        "train/n1/n1_boxes.txt": b"n1_0.JPEG\t0\t0\t1\t1",
        "train/n2/images/n2_0.JPEG": noise(8, 8, 3),
        "val/images/val_0.JPEG": noise(8, 8, 3),
        "val/images/val_1.JPEG": noise(8, 8, 3),
        "val/val_annotations.txt": b"val_0.JPEG\tn2\t0\t0\t1\t1\nval_1.JPEG\tn1\t0\t0\t1\t1\n",
        "test/images/test_0.JPEG": noise(8, 8, 3),
    }
    source = folder(mine(files))
    assert source.label.tolist() == [0, 1]
    assert source.held_out_label.tolist() == [1, 0]
    np.testing.assert_array_equal(source.held_out[0].numpy().transpose(1, 2, 0), files["val/images/val_0.JPEG"])
    assert source.notes[1] == "1 image outside train/ and val/ left out"
    swapped = files["val/val_annotations.txt"].translate(bytes.maketrans(b"12", b"21")).replace(b"val_2", b"val_1")
    os.utime(mine({"val/val_annotations.txt": swapped}) / "val/val_annotations.txt", ns=(1, 1))
    assert folder(mine({})).held_out_label.tolist() == [0, 1]  # another table is another folder of the cache
    assert len(prepared_folders(kept)) == 2


MIXED = {
    "a.png": noise(10, 30, 3),
    "b.png": Image.new("RGBA", (6, 9), (0, 0, 0, 0)),
    "c.png": noise(20, 20),
    "d.png": np.full((16, 16), 65535, dtype=np.uint16),
    "e.jpg": encoded(Image.fromarray(noise(40, 40, 3)), "JPEG"),
    "x.txt": b"",
}


def test_notes_tell_what_was_found_and_what_is_done(mine):
    source = folder(mine(MIXED), size=12, channels=3)
    assert source.train.shape == (5, 3, 12, 12)
    assert (source.train[1] == 255).all()
    assert (source.train[3] == 255).all()
    assert source.notes == (
        "mine: 5 images of 5 sizes (6 x 9 to 40 x 40); each is cropped to its central square and resized to 12 x 12 "
        "(2 are enlarged, 2 grey ones are converted to RGB, 1 transparent one is composited over white, "
        "1 of 16 bits is divided by 257, 1 other file is ignored)",
    )
    assert "3 in colour are converted to grey" in folder(mine({}), size=12, channels=1).notes[0]


@pytest.mark.parametrize(
    ("grey", "channels", "said"), [(1, 3, "1 grey one is converted to RGB"), (3, 1, "1 in colour is converted to grey")]
)
def test_the_usual_kind_wins(mine, grey, channels, said):
    files = {f"{i}.png": noise(8, 8) if i < grey else noise(8, 8, 3) for i in range(4)}
    source = folder(mine(files))
    assert source.shape == (channels, 8, 8)
    assert source.notes == (f"mine: 4 images of 8 x 8; {said}",)
    assert torch.equal(source.train, folder(mine({}), channels=channels).train)


def test_images_that_are_nearly_black_are_pointed_out(mine):
    twelve = {f"{i}.png": noise(8, 8).astype(np.uint16) * 16 for i in range(2)}
    assert "the brightest pixel of all is 16 of 255" in folder(mine(twelve)).notes[1]
    assert "is 1 of 255" in folder(mine({f"{i}.png": noise(8, 8) // 128 for i in range(2)})).notes[1]


def test_images_of_the_asked_size_are_left_alone(mine):
    source = folder(mine(CLASSED), size=8, channels=3)
    assert source.notes == ("mine: 6 images of 8 x 8, 2 classes",)
    assert torch.equal(source.train, folder(mine({})).train)


def test_a_turned_image_stands_upright(mine):
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels = noise(8, 8, 3)
    source = folder(mine({"1.png": encoded(pixels, exif=exif)}))
    np.testing.assert_array_equal(source.train[0].numpy().transpose(1, 2, 0), np.rot90(pixels, -1))


class TestRefusals:
    def test_differing_sizes(self, mine):
        message = refusal(mine({"a.png": noise(8, 8), "b.png": noise(30, 20), "c.png": noise(12, 8)}))
        assert "got 3 from 8 x 8 (a.png) to 20 x 30 (b.png): add size=64" in message

    def test_oblong_images(self, mine):
        assert "got 12 x 8 pixels: add size=64" in refusal(mine({"a.png": noise(8, 12), "b.png": noise(8, 12)}))

    def test_tiny_images(self, mine):
        assert "at least 8 x 8 pixels" in refusal(mine({"a.png": noise(7, 7)}))
        assert folder(mine({}), size=8).shape == (1, 8, 8)

    def test_all_that_does_not_fit_is_told_at_once(self, mine, kept):
        grey = {"a.png": noise(8, 8), "b.png": noise(20, 20, 3), "c.png": noise(8, 8, 3), "d.png": b"no image"}
        message = refusal(mine(grey))
        assert "a whole image in d.png of mine, got no JPEG, PNG, WebP or BMP file: fix or remove it; " in message
        assert "got 2 from 8 x 8 (a.png) to 20 x 20 (b.png), 1 grey and 2 in colour: add size=64" in message
        assert not prepared_folders(kept)

    def test_broken_images_are_counted(self, mine, kept):
        message = refusal(mine(CLASSED | {"cat/5.png": b"no image", "dog/5.jpg": b"", "dog/6.png": b"no"}))
        assert "in cat/5.png of mine, got no JPEG, PNG, WebP or BMP file (2 more such, as dog/5.jpg): fix" in message
        assert not prepared_folders(kept)
        assert "a/1.png" in refusal(mine({"../none/a/1.png": b""}) / "../none")

    def test_an_image_that_breaks_while_it_is_decoded(self, mine, kept):
        whole = encoded(noise(64, 64, 3))
        path = mine({"a.png": noise(64, 64, 3), "b.png": whole[: len(whole) // 2]})
        message = refusal(path)
        assert "a whole image in b.png of mine" in message
        assert not prepared_folders(kept)

    def test_a_bomb(self, mine):
        message = refusal(mine(CLASSED | {"dog/9.png": png(20_000, 20_000)}), size=8)
        assert "dog/9.png of mine, got more than 89,478,485 pixels" in message

    def test_a_zip_above_its_limit(self, mine, tmp_path):
        packed = shutil.make_archive(str(tmp_path / "a"), "zip", mine(CLASSED))
        assert "data.max_gib" in refusal(packed, max_gib=1e-7)

    def test_a_zip_that_would_escape(self, tmp_path):
        with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
            archive.writestr("../1.png", encoded(noise(8, 8)))
        assert "'../1.png' of x.zip" in refusal(tmp_path / "x.zip")

    def test_nothing_there(self, tmp_path, mine):
        assert "nowhere" in refusal(tmp_path / "nowhere")
        (tmp_path / "empty").mkdir()
        assert "got no files" in refusal(tmp_path / "empty")
        assert "got 2 other files" in refusal(mine({"a.txt": b"", ".b.png": b""}))
        (tmp_path / "x.tar.gz").write_bytes(b"")
        assert "x.tar.gz" in refusal(tmp_path / "x.tar.gz")

    @pytest.mark.parametrize(
        "settings",
        [
            {"size": 7}, {"size": 8.0}, {"size": True}, {"channels": 4}, {"channels": "rgb"}, {"workers": -1},
            {"max_gib": 0}, {"max_gib": float("nan")},
        ],
    )  # fmt: skip
    def test_settings(self, mine, settings):
        assert next(iter(settings)) in refusal(mine(CLASSED), **settings)


def test_large_headers_are_found_behind_long_notes(mine):
    exif = Image.Exif()
    exif[0x010E] = "note " * 12_000
    profile = os.urandom(200_000)
    files = {"a.jpg": encoded(Image.fromarray(noise(64, 64, 3)), "JPEG", exif=exif, icc_profile=profile)}
    assert folder(mine(files)).shape == (3, 64, 64)


def test_names_that_are_hard_to_print(mine):
    path = mine({"a\nb.png": noise(8, 8), "ü.png": noise(9, 9)})
    assert r"a\nb.png" in refusal(path)
