"""Tensors, arrays and datasets of the user's own."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import (
    DataLoader,
    Dataset,
    IterableDataset,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
)

from steadygan.data import DATA, from_user, user
from steadygan.errors import InputError

X = torch.arange(12.0).view(4, 3)


class Items(Dataset):
    def __init__(self, *items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        return self.items[index]


class Endless(Dataset):  # map-style, and __getitem__ never raises IndexError
    def __len__(self):
        return 4

    def __getitem__(self, index):
        return X[index % 4], index % 2


class Iterated(IterableDataset):
    def __iter__(self):
        return iter(X)


def refusal(data):
    with pytest.raises(InputError) as caught:
        from_user(data)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("expected")
    return message


@pytest.mark.parametrize(
    "data",
    [
        X,
        X.double(),
        X.long(),
        X.to(torch.bfloat16),
        X.clone().requires_grad_(),
        X.numpy(),
        X.double().numpy(),
        np.asfortranarray(X.numpy()),
        X.numpy()[::-1][::-1],
        X.numpy().astype(np.int32),
        TensorDataset(X),
        Subset(TensorDataset(X, torch.arange(4)), range(4)),
        Items(*X.numpy()),
        Items(*((row, 1) for row in X)),
        Iterated(),
        Endless(),
    ],
    ids=lambda data: type(data).__name__,
)
def test_all_of_these_are_the_same_samples(data):
    source = from_user(data)
    assert source.shape == (3,)
    assert source.train.dtype == torch.float32
    assert not source.train.requires_grad
    assert torch.equal(source.train, X)


def test_labels_of_a_dataset():
    source = from_user(Items((X[0], 3), (X[1], torch.tensor(0)), (X[2], np.int64(2)), (X[3], 1.0)))
    assert source.label.tolist() == [3, 0, 2, 1]
    assert source.label.dtype == torch.int64
    assert from_user(X).label is None
    assert from_user(Items(*X)).label is None


def test_images_keep_their_shape():
    source = from_user(torch.zeros(5, 3, 8, 8))
    assert source.shape == (3, 8, 8)
    assert from_user(Items(torch.zeros(1, 4, 4), torch.ones(1, 4, 4))).shape == (1, 4, 4)


def test_a_source_comes_back_as_it_is():
    source = DATA["ring8"]()
    assert from_user(source) is source


def test_a_float32_tensor_is_not_copied():
    assert from_user(X).train.data_ptr() == X.data_ptr()


def test_read_only_arrays_are_copied_without_a_warning(recwarn):
    x = X.numpy().copy()
    x.setflags(write=False)
    assert torch.equal(from_user(x).train, X)
    assert not recwarn.list


@pytest.mark.parametrize("kind", [torch.tensor, np.array])
def test_nan_rows_are_named(kind):
    message = refusal(kind([[0.0, 1.0], [2.0, float("nan")], [float("inf"), 0.0]]))
    assert "nan in row 1" in message
    assert "2 of 3 rows" in message
    assert "row 1" in refusal(Items(*map(torch.tensor, ([0.0, 1.0], [2.0, float("nan")]))))


@pytest.mark.parametrize("data", [torch.zeros(3), torch.tensor(1.0), np.zeros(3), torch.zeros(0, 2), np.zeros((2, 0))])
def test_wrong_axes_and_empty_data(data):
    assert str(tuple(data.shape)) in refusal(data)


@pytest.mark.parametrize(
    "data", ["points.npy", None, [[1.0, 2.0]], 3, {"x": X}, torch.zeros(2, 2, dtype=torch.complex64), np.array([["a"]])]
)
def test_other_things(data):
    refusal(data)


@pytest.mark.parametrize(
    "items",
    [
        (),
        (X[0], X[1, :2]),
        ((X[0], 1), X[1]),
        (X[0], (X[1], 1)),
        ((X[0], "cat"),),
        ((X[0], 0.5),),
        ((X[0], torch.zeros(2)),),
        ((X[0], 1, 2),),
        ({"picture": X[0]},),
        ("text",),
        (1.0, 2.0),
        (X[0].to(torch.complex64),),
    ],
)
def test_datasets_that_do_not_fit(items):
    refusal(Items(*items))


def test_an_iterated_dataset_above_the_limit_is_refused_early(monkeypatch):
    class Long(IterableDataset):
        def __iter__(self):
            yield from [torch.zeros(10)] * 3
            pytest.fail("read on")

    monkeypatch.setattr(user, "LIMIT", 100)
    assert "item 2" in refusal(Long())


@pytest.mark.parametrize("label", [-1, torch.tensor(-3), -2.0])
def test_classes_below_zero(label):
    assert "0 or more as labels" in refusal(Items((X[0], 0), (X[1], label)))


PIXELS = torch.arange(5 * 3 * 8 * 9).remainder(256).to(torch.uint8).view(5, 3, 8, 9)


@pytest.mark.parametrize(
    "data",
    [
        PIXELS,
        PIXELS.numpy(),
        np.asfortranarray(PIXELS.numpy()),
        TensorDataset(PIXELS),
        Items(*PIXELS),
        Items(*PIXELS.numpy()),
        Items(*((x, 1) for x in PIXELS)),
        Items(*(Image.fromarray(x.permute(1, 2, 0).numpy()) for x in PIXELS)),
        Items(*((Image.fromarray(x.permute(1, 2, 0).numpy()), 1) for x in PIXELS)),
    ],
    ids=lambda data: type(data).__name__,
)
def test_all_of_these_are_the_same_images(data):
    source = from_user(data)
    assert source.shape == (3, 8, 9)
    assert source.image
    assert source.train.dtype == torch.uint8
    assert torch.equal(source.train, PIXELS)
    torch.testing.assert_close(source.at(torch.arange(5)).x, PIXELS.float() / 127.5 - 1)


def test_pixels_are_not_copied_and_read_only_ones_are_without_a_warning(recwarn):
    assert from_user(PIXELS).train.data_ptr() == PIXELS.data_ptr()
    pixels = PIXELS.numpy().copy()
    pixels.setflags(write=False)
    assert torch.equal(from_user(pixels).train, PIXELS)
    assert not recwarn.list


@pytest.mark.parametrize("shape", [(5, 7), (5, 8, 8), (5, 2, 8, 8), (5, 4, 8, 8), (5, 1, 3, 8, 8)])
@pytest.mark.parametrize("wrap", [lambda x: x, lambda x: x.numpy(), lambda x: Items(*x)])
def test_bytes_of_another_shape_are_numbers(shape, wrap):
    x = torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    source = from_user(wrap(x))
    assert not source.image
    assert source.train.dtype == torch.float32
    assert torch.equal(source.train, x.float())
    told = len(shape) > 2 and not isinstance(wrap(x), Items)
    assert any("read as numbers" in note for note in source.notes) == told


@pytest.mark.parametrize("wrap", [lambda x: x, lambda x: x.numpy(), lambda x: Items(*x)])
def test_numbers_that_look_like_images_are_drawn_as_such(wrap):
    x = torch.linspace(-1, 1, 5 * 3 * 8 * 8).view(5, 3, 8, 8)
    assert from_user(wrap(x)).image
    assert from_user(wrap(x[:, :1].contiguous())).image
    assert torch.equal(from_user(wrap(x)).train, x)
    assert not from_user(wrap(x)).notes
    for other in (1.01 * x, x[:, :2], x[:, :, :7], x.flatten(1), x.view(5, 3, 64)):
        assert not from_user(wrap(other.contiguous())).image


def test_images_between_zero_and_one_are_pointed_out():
    source = from_user(torch.rand(5, 3, 8, 8, generator=torch.Generator().manual_seed(0)))
    assert source.image
    assert "[0, 1]" in source.notes[0]


def test_images_of_differing_sizes_and_kinds_name_the_item():
    grey, colour = Image.new("L", (9, 8)), Image.new("RGB", (9, 8))
    assert "(1, 8, 9) at 2 after (3, 8, 9)" in refusal(Items(colour, colour, grey))
    assert "(3, 8, 10) at 1" in refusal(Items(colour, Image.new("RGB", (10, 8))))
    assert "torch.float32 at 1 after torch.uint8" in refusal(Items(PIXELS[0], PIXELS[1].float()))


def test_no_images_at_all():
    assert "at least one sample" in refusal(torch.zeros(0, 3, 8, 8, dtype=torch.uint8))


def test_channels_last_is_named_with_its_remedy():
    with pytest.raises(InputError, match=r"got \(5, 8, 8, 3\): permute \(0, 3, 1, 2\)"):
        from_user(torch.zeros(5, 8, 8, 3, dtype=torch.uint8))


def test_channels_last_numbers_of_an_image_are_named_too():
    with pytest.raises(InputError, match=r"permute \(0, 3, 1, 2\)"):
        from_user(torch.rand(5, 8, 8, 3, generator=torch.Generator().manual_seed(0)))


@pytest.mark.parametrize(
    ("x", "said"),
    [
        (PIXELS.double(), "whole numbers from 0 to 255 are read as pixels"),
        (PIXELS.long(), "whole numbers from 0 to 255 are read as pixels"),
        (PIXELS.int().numpy().astype(np.uint16) * 257, "16 bits are divided by 257"),
    ],
)
def test_pixels_in_another_dtype(x, said):
    source = from_user(x)
    assert torch.equal(source.train, PIXELS)
    assert source.notes == (said,)
    assert torch.equal(from_user(Items(*x)).train, PIXELS)


def test_masks_are_pictures_and_nearly_black_ones_are_pointed_out():
    mask = PIXELS > 127
    assert torch.equal(from_user(mask).train, 255 * mask.to(torch.uint8))
    assert "brightest pixel of all is 1 of 255" in from_user(mask.to(torch.uint8)).notes[0]
    levels = from_user(PIXELS.long() // 64)  # a map of classes: numbers
    assert not levels.image


FAR = torch.tensor([[5.4e6], [5.4e6 + 0.125], [5.4e6 + 0.25]], dtype=torch.float64)


@pytest.mark.parametrize(
    "data", [FAR, FAR.numpy(), TensorDataset(FAR), Items(*FAR.numpy())], ids=lambda x: type(x).__name__
)
def test_numbers_far_from_zero_keep_their_digits_until_they_are_cast(data):
    source = from_user(data)
    assert torch.equal(source.train, FAR)
    torch.testing.assert_close(source.standardised().restore(source.standardised().train), FAR, rtol=0, atol=1e-7)
    (note,) = source.to("cpu").notes
    assert note.startswith("float32 keeps 1 of 3 different values of number 1 of a sample: standardise")
    assert source.to("cpu", torch.float64).notes == ()


def test_the_items_of_a_loader():
    pairs = Items(*((row, i % 2) for i, row in enumerate(X)))
    source = from_user(DataLoader(pairs, batch_size=3, shuffle=True))
    assert torch.equal(source.train, X)
    assert source.label.tolist() == [0, 1, 0, 1]
    assert source.notes == ()
    assert torch.equal(from_user(DataLoader(Iterated())).train, X)
    some = from_user(DataLoader(pairs, sampler=SubsetRandomSampler([3, 1])))
    assert torch.equal(some.train, X[[3, 1]])
    weighted = from_user(DataLoader(pairs, sampler=WeightedRandomSampler([1.0] * 4, 4)))
    assert "WeightedRandomSampler is ignored" in weighted.notes[0]


class Frame:
    """As much of a data frame of pandas or polars as is asked of one."""

    def __init__(self, **columns):
        self.data = {name: np.asarray(column) for name, column in columns.items()}
        self.columns = [*self.data]

    def __getitem__(self, name):
        return Frame(**{name: self.data[name]})

    def to_numpy(self):
        found = np.stack([*self.data.values()], 1)
        return found[:, 0] if found.shape[1] == 1 else found


def test_the_columns_of_a_data_frame():
    mixed = Frame(x=X[:, 0].numpy(), n=np.arange(4), flag=np.array([True, False, None, True], dtype=object) == True)  # noqa: E712
    source = from_user(mixed)
    assert source.columns == ("x", "n", "flag")
    assert source.train.tolist() == [[0, 0, 1], [3, 1, 0], [6, 2, 0], [9, 3, 1]]
    far = from_user(Frame(x=FAR[:, 0].numpy(), t=np.array([1, 2, 3]))).standardised()
    assert len(far.train[:, 0].unique()) == 3
    assert "in kind: remove or convert that column" in refusal(
        Frame(x=[1.0, 2.0], kind=np.array(["a", "b"], dtype=object))
    )
    assert "datetime64" in refusal(Frame(t=np.array(["2020-01-01", "2020-01-02"], dtype="datetime64[D]")))
    assert "got none" in refusal(Frame())


class Rows:
    """As much of Hugging Face's `Dataset` as is asked of one."""

    def __init__(self, rows, **names):
        self.rows, self.column_names = rows, [*rows[0]]
        self.features = {name: type("ClassLabel", (), {"names": found}) for name, found in names.items()}

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, key):
        return [row[key] for row in self.rows] if isinstance(key, str) else self.rows[key]


def test_a_hugging_face_dataset_of_images(monkeypatch):
    pictures = [Image.fromarray(x.permute(1, 2, 0).numpy()) for x in PIXELS]
    rows = Rows([{"id": i, "img": x, "label": i % 2} for i, x in enumerate(pictures)], label=["cat", "dog"])
    source = from_user(rows)
    assert torch.equal(source.train, PIXELS)
    assert source.label.tolist() == [0, 1, 0, 1, 0]
    assert source.class_names == ("cat", "dog")
    monkeypatch.setattr(user, "LIMIT", 100)
    large = from_user(rows)
    assert large.workers == 2
    assert large.label.tolist() == [0, 1, 0, 1, 0]
    assert "a mapping of train, test: give one, such as data['train']" in refusal({"train": rows, "test": rows})


def test_a_hugging_face_dataset_of_numbers():
    source = from_user(Rows([{"x": float(i), "name": "a", "y": i * i} for i in range(4)]))
    assert source.columns == ("x", "y")
    assert source.train.tolist() == [[0, 0], [1, 1], [2, 4], [3, 9]]
    assert source.notes == ("non-numeric columns are left out: name",)
    assert "expected a column image" in refusal(Rows([{"name": "a"}]))


def test_items_by_name():
    source = from_user(Items({"image": PIXELS[0], "label": 3}, {"image": PIXELS[1], "label": 1}))
    assert torch.equal(source.train, PIXELS[:2])
    assert source.label.tolist() == [3, 1]
