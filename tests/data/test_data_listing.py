"""What a folder or zip holds: order, splits, classes, and everything that a zip may not do."""

import os
import struct
import zipfile
from dataclasses import replace

import pytest

from steadygan.data.images.layout import arrange
from steadygan.data.images.listing import Entry, listed, opened
from steadygan.errors import InputError


def zipped(path, files, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def arranged(*paths, tables=None):
    """The layout of images of these paths; `tables` are files that are read."""
    tables = tables or {}
    files = [Entry(path, 10, 0) for path in (*paths, *tables)]
    return arrange(listed("mine", files, lambda entry: tables[entry.path].encode()))


def read_all(path, max_gib=64.0):
    with opened(path, max_gib) as listing:
        return [listing.read(entry) for entry in listing.images]


def refusal(path, max_gib=64.0):
    with pytest.raises(InputError) as caught:
        read_all(path, max_gib)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("expected")
    assert ", got " in message
    return message


def paths(part):
    return [entry.path for entry in part.entries]


TREE = {"b/2.png": b"bb", "b/1.JPEG": b"b", "a/x/3.webp": b"ccc", "a-1/4.jpg": b"", "Z/5.bmp": b"5", "0.jpeg": b"0"}
ORDER = ["0.jpeg", "Z/5.bmp", "a/x/3.webp", "a-1/4.jpg", "b/1.JPEG", "b/2.png"]
JUNK = {
    "__MACOSX/b/._2.png": b"", ".hidden.png": b"", "b/.DS_Store": b"", "b/Thumbs.db": b"", "notes.txt": b"",
    "x.gif": b"",
}  # fmt: skip


def test_a_folder_and_a_zip_of_the_same_files_read_alike(tmp_path):
    for name, content in (TREE | JUNK).items():
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(content)
    packed = zipped(tmp_path / "in.zip", TREE | JUNK)
    for path in (tmp_path / "in", packed):
        with opened(path, 1.0) as listing:
            assert listing.name == "in"
            assert [entry.path for entry in listing.images] == ORDER
            assert [entry.size for entry in listing.images] == [len(TREE[name]) for name in ORDER]
            assert [listing.read(entry) for entry in listing.images] == [TREE[name] for name in ORDER]
            assert listing.others == len(JUNK)  # the folder __MACOSX counts as one, and holds one


def test_links_are_followed_and_a_circle_ends(tmp_path):
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "1.png").write_bytes(b"1")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "linked").symlink_to(tmp_path / "far")
    (tmp_path / "in" / "back").symlink_to(tmp_path / "in")
    (tmp_path / "in" / "broken.png").symlink_to(tmp_path / "nothing.png")
    with opened(tmp_path / "in", 1.0) as listing:
        assert [entry.path for entry in listing.images] == ["linked/1.png"]
        assert listing.others == 2


def test_a_folder_without_rights_is_named(tmp_path, monkeypatch):
    def refuse(place):
        raise PermissionError(13, "Permission denied", place)

    monkeypatch.setattr(os, "scandir", refuse)
    assert "Permission denied" in refusal(tmp_path)


def test_a_file_that_vanishes_is_named(tmp_path):
    (tmp_path / "1.png").write_bytes(b"1")
    with opened(tmp_path, 1.0) as listing:
        (tmp_path / "1.png").unlink()
        with pytest.raises(InputError, match=r"1\.png', got No such file"):
            listing.read(listing.images[0])


class TestZip:
    @pytest.mark.parametrize(
        "name",
        ["/etc/1.png", "../1.png", "a/../../1.png", "a/..", "C:/1.png", "c:1.png", "\\1.png", "a\\..\\..\\1.png"],
    )
    def test_names_that_lead_elsewhere(self, tmp_path, name):
        assert "without absolute paths" in refusal(zipped(tmp_path / "x.zip", {"ok.png": b"1", name: b"1"}))

    def test_backslashes_divide_folders(self, tmp_path):
        path = zipped(tmp_path / "x.zip", {"cat\\": b"", "cat\\1.png": b"1", "dog/2.png": b"2"})
        with opened(path, 1.0) as listing:
            assert [entry.path for entry in listing.images] == ["cat/1.png", "dog/2.png"]
            assert [listing.read(entry) for entry in listing.images] == [b"1", b"2"]
            assert listing.others == 0
        assert "twice" in refusal(zipped(tmp_path / "y.zip", {"a\\1.png": b"1", "a/1.png": b"2"}))

    def test_a_name_that_hides_its_end(self, tmp_path):
        path = zipped(tmp_path / "x.zip", {"1.pngXa.exe": b"1"})
        path.write_bytes(path.read_bytes().replace(b"1.pngXa.exe", b"1.png\0a.exe"))
        assert "names inside the zip" in refusal(path)

    def test_dots_in_names_are_no_escape(self, tmp_path):
        with opened(zipped(tmp_path / "x.zip", {"./a..b/c...png": b"1", "d//..e.png": b"2"}), 1.0) as listing:
            assert [entry.path for entry in listing.images] == ["a..b/c...png"]  # the other begins with a dot

    def test_a_file_that_stands_there_twice(self, tmp_path):
        assert "1.png twice" in refusal(zipped(tmp_path / "x.zip", {"a/1.png": b"1", "a//1.png": b"2"}))

    def test_encrypted_entries(self, tmp_path):
        path = zipped(tmp_path / "x.zip", {"a/1.png": b"1"})
        content = bytearray(path.read_bytes())
        content[content.index(b"PK\1\2") + 8] |= 1
        path.write_bytes(bytes(content))
        message = refusal(path)
        assert "password" in message
        assert "a/1.png" in message

    def test_unknown_compression(self, tmp_path):
        path = zipped(tmp_path / "x.zip", {"a/1.png": b"1"})
        content = bytearray(path.read_bytes())
        content[content.index(b"PK\1\2") + 10] = 6
        path.write_bytes(bytes(content))
        assert "a/1.png' of x.zip by method 6" in refusal(path)

    def test_more_than_the_limit_in_all(self, tmp_path):
        path = zipped(tmp_path / "x.zip", {"1.png": os.urandom(2000), "2.png": os.urandom(3000)})
        message = refusal(path, max_gib=4999 / 1024**3)
        assert "data.max_gib" in message
        assert "2.png, 3,000 bytes" in message
        assert "5,000 bytes" in message
        with opened(path, 5000 / 1024**3) as listing:
            assert len(listing.images) == 2

    def test_one_large_entry(self, tmp_path):
        path = zipped(tmp_path / "x.zip", {"a/1.png": b"1"})
        content = bytearray(path.read_bytes())
        struct.pack_into("<I", content, content.index(b"PK\1\2") + 24, 256 * 1024**2 + 1)
        path.write_bytes(bytes(content))
        message = refusal(path)
        assert "at most 256 MiB" in message
        assert "a/1.png" in message

    def test_a_bomb_of_zeros(self, tmp_path):
        assert "1/1000" in refusal(zipped(tmp_path / "x.zip", {"a/1.png": bytes(4 * 1024**2)}))
        with opened(zipped(tmp_path / "y.zip", {"1.png": bytes(1024**2)}), 1.0) as listing:  # not above 1 MiB
            assert len(listing.images) == 1

    def test_the_size_in_the_directory_is_not_trusted_with_more_bytes(self, tmp_path):
        path = zipped(tmp_path / "x.zip", {"a/1.png": b"1" * 1000})
        content = bytearray(path.read_bytes())
        struct.pack_into("<I", content, content.index(b"PK\1\2") + 24, 10)
        path.write_bytes(bytes(content))
        assert "a/1.png whole in x.zip" in refusal(path)

    def test_truncated_and_other_files(self, tmp_path):
        whole = zipped(tmp_path / "x.zip", {f"{i}.png": os.urandom(500) for i in range(5)}).read_bytes()
        for content in (whole[: len(whole) // 2], whole[:-30], b"", b"no zip at all", b"PK\5\6" + bytes(18)[:10]):
            (tmp_path / "x.zip").write_bytes(content)
            assert "a whole .zip in x.zip" in refusal(tmp_path / "x.zip")

    @pytest.mark.parametrize("how", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
    def test_damaged_content_names_the_entry(self, tmp_path, how):
        path = zipped(tmp_path / "x.zip", {"a/1.png": b"1" * 500, "a/2.png": bytes(range(256)) * 4}, how)
        content = bytearray(path.read_bytes())
        at = content.index(b"a/2.png") + 7
        content[at + 20 : at + 40] = b"?" * 20
        path.write_bytes(bytes(content))
        assert "a/2.png whole in x.zip" in refusal(path)

    def test_a_directory_that_points_beside_the_files(self, tmp_path):
        path = zipped(tmp_path / "x.zip", {"a/1.png": b"1" * 500})
        content = bytearray(path.read_bytes())
        struct.pack_into("<I", content, content.index(b"PK\1\2") + 42, 7)
        path.write_bytes(bytes(content))
        assert "a/1.png" in refusal(path)

    def test_links_and_folders_are_no_images(self, tmp_path):
        path = zipped(tmp_path / "x.zip", {"a.png/": b"", "1.png": b"1"})
        with zipfile.ZipFile(path, "a") as archive:
            link = zipfile.ZipInfo("link.png")
            link.external_attr = 0o120777 << 16
            archive.writestr(link, "/etc/passwd")
        with opened(path, 1.0) as listing:
            assert [entry.path for entry in listing.images] == ["1.png"]
            assert listing.others == 1

    def test_names_are_shown_in_one_line_of_limited_length(self, tmp_path):
        message = refusal(zipped(tmp_path / "x.zip", {f"../a\nb{'c' * 500}.png": b"1"}))
        assert len(message) < 400

    def test_nothing_is_unpacked(self, tmp_path):
        path = zipped(tmp_path / "x.zip", TREE)
        read_all(path)
        assert list(tmp_path.iterdir()) == [path]


def test_files_of_another_kind(tmp_path):
    assert "No such file" in refusal(tmp_path / "x.zip")
    (tmp_path / "x.tar").write_bytes(b"")
    assert "x.tar" in refusal(tmp_path / "x.tar")


class TestLayout:
    def test_class_folders(self):
        layout = arranged("root/dog/2.png", "root/cat/1.png", "root/dog/1.png", "root/emu/a/b.png")
        assert layout.class_names == ("cat", "dog", "emu")
        assert paths(layout.train) == ["root/cat/1.png", "root/dog/1.png", "root/dog/2.png", "root/emu/a/b.png"]
        assert layout.train.label == (0, 1, 1, 2)
        assert layout.held_out is None
        assert arranged("dog/1.png", "cat/1.png").class_names == ("cat", "dog")

    @pytest.mark.parametrize("names", [("1.png", "2.png"), ("cat/1.png", "cat/2.png"), ("r/cat/1.png", "r/cat/2.png")])
    def test_no_classes(self, names):
        layout = arranged(*names)
        assert layout.class_names == ()
        assert layout.train.label is None
        assert layout.remarks == ()

    def test_one_image_outside_the_class_folders_is_told(self):
        layout = arranged("cat/1.png", "dog/1.png", "1.png")
        assert layout.train.label is None
        assert layout.remarks == ("no classes, with 1 image outside its 2 folders",)

    @pytest.mark.parametrize("root", ["", "set/"])
    @pytest.mark.parametrize("held", ["val", "valid", "validation", "test", "Test"])
    def test_splits(self, root, held):
        train = "Train" if held == "Test" else "train"
        layout = arranged(*(f"{root}{path}" for path in (f"{train}/2.png", f"{train}/1.png", f"{held}/3.png")))
        assert paths(layout.train) == [f"{root}{train}/1.png", f"{root}{train}/2.png"]
        assert paths(layout.held_out) == [f"{root}{held}/3.png"]
        assert layout.train.label is None
        assert layout.held_out.label is None

    def test_val_comes_before_test_and_what_is_left_out_is_told(self):
        layout = arranged("train/1.png", "val/2.png", "test/3.png", "test/4.png", "5.png")
        assert paths(layout.held_out) == ["val/2.png"]
        assert layout.entries == layout.train.entries + layout.held_out.entries
        assert layout.remarks == ("3 images outside train/ and val/ left out",)

    def test_train_alone_is_a_folder_around_everything(self):
        assert arranged("train/b/1.png", "train/a/1.png").class_names == ("a", "b")
        assert arranged("set/train/b/1.png", "set/train/a/1.png").class_names == ("a", "b")
        assert arranged("test/b/1.png", "test/a/1.png").class_names == ("a", "b")

    def test_classes_of_both_parts(self):
        layout = arranged("train/b/1.png", "train/a/1.png", "train/c/1.png", "test/c/1.png", "test/a/9.png")
        assert layout.train.label == (0, 1, 2)
        assert layout.held_out.label == (0, 2)
        assert arranged("train/b/1.png", "train/a/1.png", "val/x/1.png", "val/2.png").held_out.label is None
        assert arranged("train/1.png", "val/x/1.png", "val/y/2.png").held_out.label is None

    def test_a_held_out_class_that_training_does_not_know(self):
        with pytest.raises(InputError, match=r"2 class folders .* got test/z/1\.png"):
            arranged("train/b/1.png", "train/a/1.png", "test/a/1.png", "test/z/1.png")

    def test_many_held_out_images_are_thinned_evenly(self):
        train = ["train/a/1.png", "train/b/1.png"]
        held = [f"val/{'ab'[i >= 6000]}/{i:05}.png" for i in range(20_000)]
        layout = arranged(*train, *held)
        assert paths(layout.held_out) == held[::2]
        assert layout.held_out.label == (0,) * 3000 + (1,) * 7000
        assert layout.remarks == ("10,000 of 20,000 held-out images, evenly spaced, are used",)

    TINY = (
        "t/train/n02/images/n02_0.JPEG", "t/train/n01/images/n01_0.JPEG", "t/val/images/val_0.JPEG",
        "t/val/images/val_1.JPEG", "t/test/images/test_0.JPEG",
    )  # fmt: skip

    def test_tiny_imagenet(self):
        table = {"t/val/val_annotations.txt": "val_1.JPEG\tn01\t0\t32\t44\t62\r\nval_0.JPEG\tn02\t1\t2\t3\t4\n\n"}
        layout = arranged(*self.TINY, tables=table)
        assert layout.class_names == ("n01", "n02")
        assert layout.train.label == (0, 1)
        assert paths(layout.held_out) == ["t/val/images/val_0.JPEG", "t/val/images/val_1.JPEG"]
        assert layout.held_out.label == (1, 0)
        assert layout.remarks == ("1 image outside train/ and val/ left out",)
        assert arranged(*self.TINY).held_out.label is None

    @pytest.mark.parametrize(("text", "said"), [("val_0.JPEG\tn01\n", "no line"), ("val_0.JPEG\tn09\n", "'n09'")])
    def test_tiny_imagenet_with_gaps(self, text, said):
        with pytest.raises(InputError, match=said):
            arranged(*self.TINY, tables={"t/val/val_annotations.txt": text})

    def test_nothing_to_train_on(self):
        listing = listed("mine", [Entry("a.txt", 1, 0)], read=None)
        with pytest.raises(InputError, match="got 1 other file:"):
            arrange(listing)
        with pytest.raises(InputError, match="got no files"):
            arrange(replace(listing, others=0))
