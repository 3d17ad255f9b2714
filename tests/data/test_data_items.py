"""A dataset too large for memory: read by index, with its labels from a list, as if it had been read whole."""

import copy
import pickle
from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset, Subset, TensorDataset

from steadygan.data import from_user, user
from steadygan.data.images.picture import decode
from steadygan.data.items import Items, labels_of, split
from steadygan.data.samples import Samples
from steadygan.errors import InputError

X = torch.arange(60.0).view(20, 3)
PIXELS = torch.randint(0, 256, (20, 3, 4, 5), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


class Listed(Dataset):
    """Items from a list, with whatever attributes."""

    def __init__(self, items, **attributes):
        self.items = list(items)
        vars(self).update(attributes)

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        return self.items[index]


class Counted(Listed):
    read = 0

    def __getitem__(self, index):
        self.read += 1
        return super().__getitem__(index)


class Random(Listed):
    def __getitem__(self, index):
        return torch.randn(3)


@pytest.fixture
def _tiny(monkeypatch):
    monkeypatch.setattr(user, "LIMIT", 100)


def refusal(work, *arguments):
    with pytest.raises(InputError) as caught:
        work(*arguments)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("expected")
    return message


def test_items_are_read_in_the_order_that_is_asked_for():
    items = Items(Listed(X), (3,), 20)
    assert isinstance(items, Samples)
    assert len(items) == 20
    index = torch.tensor([7, 0, 7, 19])
    assert torch.equal(items.read(index), X[index])
    assert items.read(index[:0]).shape == (0, 3)
    assert items.to("cpu") is items


def test_pixels_stay_pixels():
    found = Items(Listed(PIXELS), (3, 4, 5), 20, pixels=True).read(torch.tensor([3, 1]))
    assert found.dtype == torch.uint8
    assert torch.equal(found, PIXELS[[3, 1]])


def test_what_a_worker_process_gets_reads_the_same():
    items = pickle.loads(pickle.dumps(Items(Listed(X), (3,), 20)))
    assert torch.equal(items.read(torch.arange(20)), X)


def test_an_item_that_is_unlike_the_first_is_named():
    dataset = Listed([*X[:4], X[0, :2], torch.tensor([1.0, float("nan"), 2.0]), {"points": X[0]}])
    items = Items(dataset, (3,), 7)
    assert "(2,) at 4" in refusal(items.read, torch.tensor([0, 4]))
    assert "item 5" in refusal(items.read, torch.tensor([5]))
    assert "a mapping of points at 6" in refusal(items.read, torch.tensor([6]))
    mixed = Items(Listed([PIXELS[0], PIXELS[1].float()]), (3, 4, 5), 2, pixels=True)
    assert "torch.float32 at 1" in refusal(mixed.read, torch.tensor([1]))


def test_the_hash_follows_size_labels_and_content():
    label = torch.arange(20)
    first = Items(Listed(X), (3,), 20).digest(label)
    assert first == Items(Listed(X.clone()), (3,), 20).digest(label)
    others = [
        Items(Listed(X), (3,), 20).digest(None),
        Items(Listed(X), (3,), 20).digest(label.flip(0)),
        Items(Listed(X), (3,), 19).digest(label),
        Items(Listed(X + 1), (3,), 20).digest(label),
    ]
    assert len({first, *others}) == 5


def test_items_that_are_drawn_anew_do_not_change_the_hash():
    items = Items(Random(X), (3,), 20)
    assert items.digest(None) == items.digest(None)


@pytest.mark.parametrize(
    "labels",
    [[3, 1, 0, 2], (3, 1, 0, 2), torch.tensor([3, 1, 0, 2], dtype=torch.int32), np.array([3, 1, 0, 2], dtype=np.uint8)],
)
@pytest.mark.parametrize("name", ["targets", "labels"])
def test_lists_of_labels(labels, name):
    found = labels_of(Listed(X[:4], **{name: labels}), 4)
    assert found.tolist() == [3, 1, 0, 2]
    assert found.dtype == torch.int64


@pytest.mark.parametrize(
    "values",
    [None, [1, 2, 3], ["a", "b", "c", "d"], [0.5] * 4, [[0, 1]] * 4, [None] * 4, [True, False] * 2, lambda: 0, "abcd"],
)
def test_what_is_no_list_of_class_numbers(values):
    assert labels_of(Listed(X[:4], targets=values), 4) is None


def test_one_that_does_not_fit_leaves_the_other():
    assert labels_of(Listed(X[:4], targets=["a"] * 4, labels=[0, 1, 2, 3]), 4).tolist() == [0, 1, 2, 3]


def test_labels_of_a_subset_are_those_of_its_items():
    whole = Listed(X, targets=list(range(20)))
    assert labels_of(Subset(Subset(whole, [5, 3, 19]), [2, 0]), 2).tolist() == [19, 5]
    assert labels_of(Subset(Listed(X), [1]), 1) is None


def test_classes_below_zero_are_refused():
    assert "got -1 at 2" in refusal(labels_of, Listed(X[:3], targets=[0, 1, -1]), 3)
    assert "got -2 at 7" in refusal(split, (X[0], -2), 7)


@pytest.mark.usefixtures("_tiny")
class TestLarge:
    def test_a_large_dataset_is_read_when_asked_for(self):
        dataset = Counted(zip(X, range(20), strict=True), targets=list(range(20)))
        source = from_user(dataset)
        assert isinstance(source.train, Items)
        assert dataset.read < 2 * 20  # the first, and a few for the hash
        assert source.size == 20
        assert source.shape == (3,)
        assert source.workers == 2
        assert not source.image
        index = torch.tensor([4, 18])
        assert torch.equal(source.at(index).x, X[index])
        assert source.at(index).label.tolist() == [4, 18]
        assert source.notes == ()

    def test_its_stream_is_that_of_the_whole(self):
        large = from_user(Listed(X)).stream(3)
        whole = from_user(X).stream(3)
        assert torch.equal(large.take(5, 30).x, whole.take(5, 30).x)

    def test_images(self):
        source = from_user(Listed(PIXELS))
        assert source.image
        assert source.read(torch.tensor([2])).dtype == torch.uint8
        torch.testing.assert_close(source.at(torch.tensor([2])).x, PIXELS[2:3].float() / 127.5 - 1)

    def test_labels_without_a_list_are_left_out_and_that_is_said(self):
        source = from_user(Listed(zip(X, range(20), strict=True)))
        assert source.label is None
        assert "no list `targets`" in source.notes[0]

    def test_labels_that_a_transform_has_changed_are_left_out_and_that_is_said(self):
        source = from_user(Listed(((x, i + 1) for i, x in enumerate(X)), targets=list(range(20))))
        assert source.label is None
        assert "disagrees with" in source.notes[0]

    def test_the_same_data_have_the_same_hash(self):
        first = from_user(Listed(X)).fingerprint()
        assert first == from_user(copy.deepcopy(Listed(X))).fingerprint()
        assert first != from_user(Listed(X * 2)).fingerprint()

    def test_a_tensor_dataset_of_the_same_size(self):
        assert isinstance(from_user(TensorDataset(X, torch.arange(20))).train, Items)


def test_the_size_is_judged_from_the_first_item_and_the_length(monkeypatch):
    dataset = Listed(X)
    monkeypatch.setattr(user, "LIMIT", 20 * 12)
    assert isinstance(from_user(dataset).train, torch.Tensor)
    monkeypatch.setattr(user, "LIMIT", 20 * 12 - 1)
    assert isinstance(from_user(dataset).train, Items)
    assert isinstance(from_user(X).train, torch.Tensor)  # a tensor is in memory already


def test_pictures():
    grey = np.arange(20, dtype=np.uint8).reshape(4, 5)
    x, label = split((Image.fromarray(grey), 3), 0)
    assert x.dtype == torch.uint8
    assert x.tolist() == [grey.tolist()]
    assert label == 3
    colour = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
    x, label = split(Image.fromarray(colour), 0)
    assert label is None
    assert x.is_contiguous()
    np.testing.assert_array_equal(x.numpy(), colour.transpose(2, 0, 1))
    bits, _ = split(Image.fromarray(grey > 9), 0)
    assert bits.tolist() == [(255 * (grey > 9)).tolist()]


@pytest.mark.parametrize("mode", ["1", "L", "RGB", "RGBA", "LA", "P", "CMYK", "I;16"])
def test_pictures_are_taken_as_their_files_are(mode):
    picture = Image.new(mode, (5, 4), 1)
    picture.putpixel((1, 2), picture.getpixel((0, 0)))
    data = BytesIO()
    picture.save(data, "TIFF" if mode == "CMYK" else "PNG")
    x, _ = split(picture, 0)
    if mode != "CMYK":
        np.testing.assert_array_equal(x.numpy(), decode(data.getvalue(), None, None).pixels)
    assert x.shape == (1 if mode in ("1", "L", "LA", "I;16") else 3, 4, 5)


def test_transparent_and_turned_pictures():
    clear = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    assert split(clear, 0)[0].eq(255).all()
    lying = Image.fromarray(np.arange(20, dtype=np.uint8).reshape(4, 5))
    lying.getexif()[0x0112] = 6
    x, _ = split(lying, 0)
    assert x.shape == (1, 5, 4)
    assert lying.size == (5, 4)  # the user's own is as it was


def test_pictures_of_other_numbers():
    assert "mode F) at 17" in refusal(split, Image.new("F", (4, 4)), 17)
