"""Tensors, arrays and datasets of the user's own."""

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset, IterableDataset, Subset, TensorDataset

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
        ({"image": X[0]},),
        ("text",),
        (1.0, 2.0),
        (X[0].to(torch.complex64),),
    ],
)
def test_datasets_that_do_not_fit(items):
    refusal(Items(*items))


def test_a_dataset_above_the_limit_is_refused_early(monkeypatch):
    monkeypatch.setattr(user, "LIMIT", 100)
    message = refusal(Items(*[torch.zeros(10)] * 3, "never reached"))
    assert "item 2" in message
