"""Packaged networks: their files are those that were trained, they tell classes apart, and three make a joint one."""

import json
import os
from hashlib import sha256
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from steadygan.config.optimisation import Evaluate
from steadygan.data.images.folder import folder
from steadygan.data.sets.mnist import read_mnist
from steadygan.errors import InputError
from steadygan.features import (
    CIFAR,
    DIGITS,
    FEATURES,
    CifarNetwork,
    FeatureNetwork,
    PackagedFeatures,
    extract,
    folded,
)
from steadygan.features import packaged as module

DATA = os.environ.get("STEADYGAN_DATA")  # read while tests are collected: later it is hidden from them


LEAST = {"digits": 0.993, "cifar": 0.89}
LICENCES = {"digits": "CC BY-SA", "cifar": "no licence stated"}
PINNED = [
    (DIGITS, [0.33624, 0.0, 4.11935, -19.38946, -36.57534, -0.66478]),
    (CIFAR, [-0.09824, -0.01627, -0.07158, -2.44741, -1.85931, 0.20631]),
]
each = pytest.mark.parametrize("packaged", module.PACKAGED, ids=lambda packaged: packaged.name)


def features(channels=1):
    """Those of grey digits, or of three digits as the channels of one image."""
    return FEATURES["digits"]((channels, 28, 28))


@pytest.fixture(scope="module")
def other_hands():
    """scikit-learn's 8 x 8 digits at MNIST's size, 20 x 20 in the middle of 28 x 28, and their classes."""
    from sklearn.datasets import load_digits

    data = load_digits()
    grey = torch.from_numpy(data.images).unsqueeze(1) / 16
    large = F.interpolate(grey, (20, 20), mode="bicubic", align_corners=False).clamp(0, 1)
    return F.pad((255 * large).round().to(torch.uint8), (4, 4, 4, 4)), torch.from_numpy(data.target)


def pixels(n, channels, height=28, width=28):
    draw = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (n, channels, height, width), dtype=torch.uint8, generator=draw)


def normed(kind, seed=0):
    """A network in its training form, with weights and batch statistics as wild as they come."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = kind(normed=True).double().eval()
        for before, layer in pairwise(network.body):
            if isinstance(layer, nn.BatchNorm2d):
                nn.init.normal_(layer.weight)
                nn.init.normal_(layer.bias)
                layer.running_mean.normal_()
                layer.running_var.uniform_(0.2, 3.0)
                if isinstance(before, nn.MaxPool2d):
                    layer.weight.data.abs_()
    return network.requires_grad_(False)


def installed(monkeypatch, folder, packaged, but=""):
    """The package's files of a network, all but one, in a folder from which they are read."""
    for name in {f"{packaged.name}.safetensors", f"{packaged.name}.json"} - {but}:
        (folder / name).write_bytes(files("steadygan.features").joinpath(name).read_bytes())
    monkeypatch.setattr(module, "files", lambda _: folder)


@each
class TestFile:
    def test_is_the_one_of_the_card(self, packaged):
        content = files("steadygan.features").joinpath(f"{packaged.name}.safetensors").read_bytes()
        assert sha256(content).hexdigest() == packaged.card["sha256"]
        assert len(content) < 2_000_000

    def test_card(self, packaged):
        card, network = packaged.card, packaged.load()
        assert card == json.loads(files("steadygan.features").joinpath(f"{packaged.name}.json").read_text("utf-8"))
        assert card["parameters"] == sum(p.numel() for p in network.parameters())
        assert card["features"] == network.head.in_features
        assert packaged.classes == network.head.out_features
        assert card["accuracy"] >= LEAST[packaged.name]
        assert card["test_images"] == 10_000
        assert card["licence"] == "Apache-2.0"
        assert LICENCES[packaged.name] in card["data_licence"]

    @pytest.mark.parametrize("ending", ["safetensors", "json"])
    def test_a_damaged_installation(self, monkeypatch, tmp_path, packaged, ending):
        name = f"{packaged.name}.{ending}"
        installed(monkeypatch, tmp_path, packaged, but=name)
        with pytest.raises(InputError, match=f"{name}.*reinstall"):
            packaged.load()

    def test_other_weights(self, monkeypatch, tmp_path, packaged):
        installed(monkeypatch, tmp_path, packaged)
        file = tmp_path / f"{packaged.name}.safetensors"
        content = bytearray(file.read_bytes())
        content[-1] ^= 1
        file.write_bytes(content)
        with pytest.raises(InputError, match="damaged, reinstall") as caught:
            packaged.load()
        assert "\n" not in str(caught.value)


@each
class TestNetwork:
    def test_is_frozen_and_cannot_drift(self, packaged):
        network = packaged.load()
        assert not network.training
        assert not any(p.requires_grad for p in network.parameters())
        assert not list(network.buffers())
        assert {p.dtype for p in network.parameters()} == {torch.float32}

    def test_is_new_at_each_call(self, packaged):
        network, another = packaged.load(), packaged.load()
        another.head.weight.zero_()
        assert network.head.weight.abs().sum() > 0

    def test_passes_gradients_to_its_input(self, packaged):
        x = torch.zeros(1, *packaged.shape, requires_grad=True)
        packaged.load()(x).logits[0, 3].backward()
        assert x.grad.abs().max() > 0

    def test_folding(self, packaged):
        network = normed(packaged.kind)
        plain = folded(network)
        x = torch.rand(3, *packaged.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) * 2 - 1
        assert_close(plain(x).vectors, network(x).vectors, rtol=1e-10, atol=1e-12)
        assert_close(plain(x).logits, network(x).logits, rtol=1e-10, atol=1e-12)
        assert plain.state_dict().keys() == packaged.load().state_dict().keys()
        assert not list(plain.buffers())

    def test_folding_leaves_the_other_alone(self, packaged):
        network, same = normed(packaged.kind).float(), normed(packaged.kind).float()
        plain = folded(network)
        assert {p.dtype for p in plain.parameters()} == {torch.float32}
        plain.head.weight.zero_()
        for name, value in network.state_dict().items():
            assert_close(value, same.state_dict()[name], rtol=0, atol=0)

    def test_measures_what_it_says(self, packaged):
        network = FEATURES[packaged.name](packaged.shape)
        assert isinstance(network, FeatureNetwork)
        assert (network.name, network.digest) == (packaged.name, packaged.card["sha256"][:12])
        assert (network.classes, network.chunk) == (packaged.classes, 1000)
        images = pixels(5, *packaged.shape)
        found, told = extract(network, images), packaged.load()(images / 127.5 - 1.0)
        assert_close(found.vectors, told.vectors, rtol=1e-4, atol=1e-5)
        assert_close(found.logits, told.logits, rtol=1e-4, atol=1e-4)
        assert found.vectors.shape == (5, packaged.card["features"])
        assert found.logits.shape == (5, packaged.classes)
        assert {t.dtype for t in found} == {torch.float32}
        assert not any(t.requires_grad for t in found)

    def test_is_a_setting(self, packaged):
        assert Evaluate(features=packaged.name).features == packaged.name

    def test_others_in_the_batch_change_nothing(self, packaged):
        images, network = pixels(packaged.group + 30, *packaged.shape), PackagedFeatures(packaged)
        together = network(images)
        order = torch.arange(len(images) - 1, -1, -17)
        assert_close(network(images[order]).vectors, together.vectors[order], rtol=1e-4, atol=1e-5)
        assert_close(network(images[7:8]).logits, together.logits[7:8], rtol=1e-4, atol=1e-4)

    @pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
    def test_a_gpu_rounds_no_more(self, packaged):
        images, network = pixels(9, *packaged.shape), PackagedFeatures(packaged)
        for found, wanted in zip(network(images.cuda()), network(images), strict=True):
            assert_close(found, wanted, rtol=1e-4, atol=1e-4)

    def test_disturbs_nothing(self, packaged):
        module._network.cache_clear()  # the first call of a process, with the loading
        network = PackagedFeatures(packaged)
        torch.set_default_dtype(torch.float64)
        try:
            before, images = torch.get_rng_state(), pixels(3, *packaged.shape)
            found = network(images)
            assert torch.equal(torch.get_rng_state(), before)
        finally:
            torch.set_default_dtype(torch.float32)
        assert torch.equal(images, pixels(3, *packaged.shape))
        assert torch.equal(found.vectors, network(images).vectors)
        with torch.autocast("cpu"):
            assert torch.equal(found.logits, network(images).logits)

    def test_other_shapes(self, packaged):
        channels, height, width = packaged.shape
        network = PackagedFeatures(packaged)
        for shape in ((channels, height, width + 1), (channels + 1, height, width), (height, width)):
            with pytest.raises(InputError, match=f"^{packaged.name}: expected images of shape") as caught:
                network.check(shape)
            assert "\n" not in str(caught.value)
            with pytest.raises(InputError, match="expected images of shape"):
                network(torch.zeros(2, *shape, dtype=torch.uint8))


def test_layer_by_layer():
    """In NumPy, from the file's tensors: strided sums over a padded image, the mean over places, a product."""
    weights = {name: value.double().numpy() for name, value in DIGITS.load().state_dict().items()}
    images = pixels(2, 1)
    h = np.float64(images.numpy()) / 255
    for layer, stride in ((0, 2), (2, 1), (4, 2), (6, 1)):
        kernel, bias = weights[f"body.{layer}.weight"], weights[f"body.{layer}.bias"]
        margin = kernel.shape[2] // 2
        padded = np.pad(h, ((0, 0), (0, 0), (margin, margin), (margin, margin)))
        patches = np.lib.stride_tricks.sliding_window_view(padded, kernel.shape[2:], (2, 3))[:, :, ::stride, ::stride]
        h = np.maximum(np.einsum("nihwkl,oikl->nohw", patches, kernel) + bias[:, None, None], 0)
    assert h.shape == (2, 64, 7, 7)
    vectors = h.mean((2, 3))
    found = features()(images)
    assert_close(found.vectors.double(), torch.from_numpy(vectors), rtol=1e-4, atol=1e-5)
    logits = vectors @ weights["head.weight"].T + weights["head.bias"]
    assert_close(found.logits.double(), torch.from_numpy(logits), rtol=1e-4, atol=1e-4)


def test_layers_of_photographs():
    """The same of the other network, by torch's functions: its layers stand in the order that its card tells."""
    weights = {name: value.double() for name, value in CIFAR.load().state_dict().items()}
    images = pixels(2, 3, 32, 32)
    h = F.gelu(F.conv2d(images.double() / 127.5 - 1, weights["body.0.weight"], weights["body.0.bias"]))
    for layer, pooled in ((2, True), (5, False), (7, True), (10, False), (12, True), (15, False)):
        h = F.conv2d(h, weights[f"body.{layer}.weight"], weights[f"body.{layer}.bias"], padding=1)
        h = F.gelu(F.max_pool2d(h, 2) if pooled else h)
    assert h.shape == (2, 192, 3, 3)
    found = PackagedFeatures(CIFAR)(images)
    assert_close(found.vectors.double(), h.amax((2, 3)), rtol=1e-4, atol=1e-4)
    logits = h.amax((2, 3)) @ weights["head.weight"].T + weights["head.bias"]
    assert_close(found.logits.double(), logits, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("packaged", "told"), PINNED, ids=lambda value: getattr(value, "name", ""))
def test_what_it_says_stays(packaged, told):
    """The first features and logits of an image of slanted stripes, in every version."""
    channels, height, width = packaged.shape
    rows, columns = torch.arange(height)[:, None], torch.arange(width)
    image = torch.stack([(8 * rows + (5 + 20 * c) * columns) % 256 for c in range(channels)]).to(torch.uint8)
    vectors, logits = PackagedFeatures(packaged)(image[None])
    assert_close(torch.cat([vectors[0, :3], logits[0, :3]]), torch.tensor(told), rtol=1e-4, atol=1e-4)


def test_a_negative_factor_behind_a_pooling_is_not_folded():
    network = normed(CifarNetwork)
    network.body[4].weight[0] = -1.0
    with pytest.raises(ValueError, match="negative batch-norm factor"):
        folded(network)


class TestStacked:
    def test_who_it_is(self):
        network = features(3)
        assert (network.name, network.classes) == ("stacked digits", 1000)
        assert (network.digest, network.resize) == (features().digest, "none: 28 x 28 as they are")
        assert [tuple(each.shape) for each in network(pixels(5, 3))] == [(5, 192), (5, 1000)]

    def test_a_channel_is_a_grey_digit(self):
        images = pixels(4, 3)
        found, one = features(3)(images), features()
        for channel in range(3):
            alone = one(images[:, channel : channel + 1]).vectors
            assert_close(found.vectors[:, 64 * channel : 64 * (channel + 1)], alone, rtol=1e-4, atol=1e-6)

    def test_joint_classes(self, other_hands):
        images = other_hands[0][[0, 1, 2, 3, 4, 6]].view(2, 3, 28, 28)  # digits 0 1 2, 3 4 6
        found = features(3)(images).logits
        for image, logits in zip(images, found, strict=True):
            p = [features()(image[i : i + 1, None]).logits.double().softmax(1)[0] for i in range(3)]
            joint = [float(p[0][m // 100] * p[1][m // 10 % 10] * p[2][m % 10]) for m in range(1000)]
            assert_close(logits.double().exp(), torch.tensor(joint, dtype=torch.float64), rtol=1e-3, atol=1e-9)
            assert_close(logits.double().exp().sum(), torch.tensor(1.0, dtype=torch.float64), rtol=1e-5, atol=0.0)
        assert found.argmax(1).tolist() == [12, 346]

    @pytest.mark.parametrize("shape", [(3, 28, 27), (1, 32, 32), (2, 28, 28), (4, 28, 28)])
    def test_what_is_neither_one_digit_nor_three(self, shape):
        with pytest.raises(InputError, match="expected images of shape"):
            FEATURES["digits"](shape).check(shape)


class TestAccuracy:
    def test_digits_of_other_hands(self, other_hands):
        images, label = other_hands
        right = features()(images).logits.argmax(1) == label
        assert right.double().mean() > 0.85  # 0.93; by chance 0.1

    @pytest.mark.skipif(not DATA, reason="set STEADYGAN_DATA to a folder with MNIST")
    def test_mnist(self):
        try:
            digits = read_mnist(DATA)
        except InputError as error:
            pytest.skip(str(error))
        found = extract(features(), digits.test.unsqueeze(1)).logits
        share = float((found.argmax(1) == digits.test_label).double().mean())
        assert share == pytest.approx(DIGITS.card["accuracy"], abs=2e-4)  # a tie may break otherwise elsewhere

    @pytest.mark.skipif(not Path(DATA or "", "test.zip").is_file(), reason="set STEADYGAN_DATA to a folder of CIFAR-10")
    def test_photographs(self):
        """Of the JPEG copies of the card; another decoder may move pixels by a level."""
        source = folder(Path(DATA) / "test.zip", size=32, channels=3)
        found = extract(PackagedFeatures(CIFAR), source.read(torch.arange(source.size))).logits
        share = float((found.argmax(1) == source.label).double().mean())
        assert share == pytest.approx(CIFAR.card["accuracy"], abs=2e-3)
