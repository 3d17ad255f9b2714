"""The digit network: its file is the one that was trained, it tells digits apart, and three make a joint class."""

import json
import os
from hashlib import sha256
from importlib.resources import files

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from steadygan.data.sets.mnist import read_mnist
from steadygan.errors import InputError
from steadygan.features import digits as module
from steadygan.features.digits import DigitFeatures, DigitNetwork, digit_card, folded, load_digit_network
from steadygan.features.network import FeatureNetwork, extract

MNIST = os.environ.get("STEADYGAN_DATA")  # read while tests are collected: later it is hidden from them


@pytest.fixture(scope="module")
def network():
    return load_digit_network()


@pytest.fixture(scope="module")
def other_hands():
    """scikit-learn's 8 x 8 digits at MNIST's size, 20 x 20 in the middle of 28 x 28, and their classes."""
    from sklearn.datasets import load_digits

    data = load_digits()
    grey = torch.from_numpy(data.images).unsqueeze(1) / 16
    large = F.interpolate(grey, (20, 20), mode="bicubic", align_corners=False).clamp(0, 1)
    return F.pad((255 * large).round().to(torch.uint8), (4, 4, 4, 4)), torch.from_numpy(data.target)


def pixels(n, channels, seed=0):
    draw = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, channels, 28, 28), dtype=torch.uint8, generator=draw)


def normed(seed=0):
    """A network in its training form, with weights and batch statistics as wild as they come."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = DigitNetwork(normed=True).double().eval()
        for layer in network.body:
            if isinstance(layer, nn.BatchNorm2d):
                nn.init.normal_(layer.weight)
                nn.init.normal_(layer.bias)
                layer.running_mean.normal_()
                layer.running_var.uniform_(0.2, 3.0)
    return network


class TestFile:
    def test_is_the_one_of_the_card(self):
        content = files("steadygan.features").joinpath("digits.safetensors").read_bytes()
        assert sha256(content).hexdigest() == digit_card()["sha256"]
        assert len(content) < 500_000

    def test_card(self, network):
        card = json.loads(files("steadygan.features").joinpath("digits.json").read_text(encoding="utf-8"))
        assert card == digit_card()
        assert card["parameters"] == sum(p.numel() for p in network.parameters())
        assert card["accuracy"] >= 0.993
        assert card["test_images"] == 10_000
        assert card["licence"] == "Apache-2.0"
        assert "CC BY-SA" in card["data_licence"]

    @pytest.mark.parametrize("name", ["digits.safetensors", "digits.json"])
    def test_a_damaged_installation(self, monkeypatch, tmp_path, name):
        for kept in {"digits.safetensors", "digits.json"} - {name}:
            (tmp_path / kept).write_bytes(files("steadygan.features").joinpath(kept).read_bytes())
        monkeypatch.setattr(module, "files", lambda _: tmp_path)
        with pytest.raises(InputError, match=f"{name}.*reinstall"):
            load_digit_network()

    def test_other_weights(self, monkeypatch, tmp_path):
        content = bytearray(files("steadygan.features").joinpath("digits.safetensors").read_bytes())
        content[-1] ^= 1
        (tmp_path / "digits.safetensors").write_bytes(content)
        (tmp_path / "digits.json").write_text(json.dumps(digit_card()), encoding="utf-8")
        monkeypatch.setattr(module, "files", lambda _: tmp_path)
        with pytest.raises(InputError, match="damaged, reinstall") as caught:
            load_digit_network()
        assert "\n" not in str(caught.value)


class TestNetwork:
    def test_is_frozen_and_cannot_drift(self, network):
        assert not network.training
        assert not any(p.requires_grad for p in network.parameters())
        assert not list(network.buffers())
        assert {p.dtype for p in network.parameters()} == {torch.float32}

    def test_is_new_at_each_call(self, network):
        network_b = load_digit_network()
        network_b.head.weight.zero_()
        assert network.head.weight.abs().sum() > 0

    def test_layer_by_layer(self, network):
        """In NumPy, from the file's tensors: strided sums over a padded image, the mean over places, a product."""
        weights = {name: value.double().numpy() for name, value in network.state_dict().items()}
        images = pixels(2, 1)
        h = np.float64(images.numpy()) / 255
        for layer, stride in ((0, 2), (2, 1), (4, 2), (6, 1)):
            kernel, bias = weights[f"body.{layer}.weight"], weights[f"body.{layer}.bias"]
            margin = kernel.shape[2] // 2
            padded = np.pad(h, ((0, 0), (0, 0), (margin, margin), (margin, margin)))
            patches = np.lib.stride_tricks.sliding_window_view(padded, kernel.shape[2:], (2, 3))[
                :, :, ::stride, ::stride
            ]
            h = np.maximum(np.einsum("nihwkl,oikl->nohw", patches, kernel) + bias[:, None, None], 0)
        assert h.shape == (2, 64, 7, 7)
        vectors = h.mean((2, 3))
        found = DigitFeatures()(images)
        assert_close(found.vectors.double(), torch.from_numpy(vectors), rtol=1e-4, atol=1e-5)
        logits = vectors @ weights["head.weight"].T + weights["head.bias"]
        assert_close(found.logits.double(), torch.from_numpy(logits), rtol=1e-4, atol=1e-4)

    def test_passes_gradients_to_its_input(self, network):
        x = torch.zeros(1, 1, 28, 28, requires_grad=True)
        network(x).logits[0, 3].backward()
        assert x.grad.abs().max() > 0

    def test_folding(self):
        network = normed()
        plain = folded(network)
        x = torch.rand(3, 1, 28, 28, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) * 2 - 1
        assert_close(plain(x).vectors, network(x).vectors.detach(), rtol=1e-10, atol=1e-12)
        assert_close(plain(x).logits, network(x).logits.detach(), rtol=1e-10, atol=1e-12)
        assert plain.state_dict().keys() == load_digit_network().state_dict().keys()
        assert not list(plain.buffers())

    def test_folding_leaves_the_other_alone(self):
        network, same = normed().float(), normed().float()
        plain = folded(network)
        assert {p.dtype for p in plain.parameters()} == {torch.float32}
        plain.head.weight.zero_()
        for name, value in network.state_dict().items():
            assert_close(value, same.state_dict()[name], rtol=0, atol=0)


class TestFeatures:
    @pytest.mark.parametrize(("channels", "dim", "classes"), [(1, 64, 10), (3, 192, 1000)])
    def test_shapes(self, channels, dim, classes):
        network = DigitFeatures(channels)
        assert isinstance(network, FeatureNetwork)
        assert network.classes == classes
        found = extract(network, pixels(5, channels))
        assert found.vectors.shape == (5, dim)
        assert found.logits.shape == (5, classes)
        assert {t.dtype for t in found} == {torch.float32}
        assert not any(t.requires_grad for t in found)

    def test_who_it_is(self):
        one, three = DigitFeatures(), DigitFeatures(3)
        assert (one.name, three.name) == ("digits", "stacked digits")
        assert one.digest == three.digest == digit_card()["sha256"][:12]
        assert (one.resize, one.chunk) == ("none: 28 x 28 as they are", 1000)

    def test_a_channel_is_a_grey_digit(self):
        images = pixels(4, 3)
        found, one = DigitFeatures(3)(images), DigitFeatures()
        for channel in range(3):
            alone = one(images[:, channel : channel + 1]).vectors
            assert_close(found.vectors[:, 64 * channel : 64 * (channel + 1)], alone, rtol=1e-4, atol=1e-6)

    def test_joint_classes(self, other_hands):
        images = other_hands[0][[0, 1, 2, 3, 4, 6]].view(2, 3, 28, 28)  # digits 0 1 2, 3 4 6
        found = DigitFeatures(3)(images).logits
        for image, logits in zip(images, found, strict=True):
            p = [DigitFeatures()(image[i : i + 1, None]).logits.double().softmax(1)[0] for i in range(3)]
            joint = [float(p[0][m // 100] * p[1][m // 10 % 10] * p[2][m % 10]) for m in range(1000)]
            assert_close(logits.double().exp(), torch.tensor(joint, dtype=torch.float64), rtol=1e-3, atol=1e-9)
            assert_close(logits.double().exp().sum(), torch.tensor(1.0, dtype=torch.float64), rtol=1e-5, atol=0.0)
        assert found.argmax(1).tolist() == [12, 346]

    def test_others_in_the_batch_change_nothing(self):
        images, network = pixels(230, 1), DigitFeatures()
        together = network(images)
        order = torch.arange(229, -1, -17)
        assert_close(network(images[order]).vectors, together.vectors[order], rtol=1e-4, atol=1e-6)
        assert_close(network(images[7:8]).logits, together.logits[7:8], rtol=1e-4, atol=1e-5)

    @pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
    def test_a_gpu_rounds_no_more(self):
        images, network = pixels(9, 3), DigitFeatures(3)
        for found, wanted in zip(network(images.cuda()), network(images), strict=True):
            assert_close(found, wanted, rtol=1e-4, atol=1e-4)

    def test_disturbs_nothing(self):
        module._network.cache_clear()  # the first call of a process, with the loading
        torch.set_default_dtype(torch.float64)
        try:
            before, images = torch.get_rng_state(), pixels(3, 1)
            found = DigitFeatures()(images)
            assert torch.equal(torch.get_rng_state(), before)
        finally:
            torch.set_default_dtype(torch.float32)
        assert torch.equal(images, pixels(3, 1))
        assert torch.equal(found.vectors, DigitFeatures()(images).vectors)
        with torch.autocast("cpu"):
            assert torch.equal(found.logits, DigitFeatures()(images).logits)

    @pytest.mark.parametrize(
        ("channels", "shape"), [(1, (3, 28, 28)), (3, (1, 28, 28)), (1, (1, 32, 32)), (3, (3, 28, 27)), (1, (28, 28))]
    )
    def test_other_shapes(self, channels, shape):
        with pytest.raises(InputError, match="expected images of shape") as caught:
            DigitFeatures(channels).check(shape)
        assert "\n" not in str(caught.value)
        with pytest.raises(InputError, match="expected images of shape"):
            DigitFeatures(channels)(torch.zeros(2, *shape, dtype=torch.uint8))

    @pytest.mark.parametrize("channels", [0, 2, 4])
    def test_other_channels(self, channels):
        with pytest.raises(InputError, match="1 channel, or 3"):
            DigitFeatures(channels)


class TestAccuracy:
    def test_digits_of_other_hands(self, other_hands):
        images, label = other_hands
        right = DigitFeatures()(images).logits.argmax(1) == label
        assert right.double().mean() > 0.85  # 0.93; by chance 0.1

    @pytest.mark.skipif(not MNIST, reason="set STEADYGAN_DATA to a folder with MNIST")
    def test_mnist(self):
        try:
            digits = read_mnist(MNIST)
        except InputError as error:
            pytest.skip(str(error))
        found = extract(DigitFeatures(), digits.test.unsqueeze(1)).logits
        share = float((found.argmax(1) == digits.test_label).double().mean())
        assert share >= 0.993
        assert share == pytest.approx(digit_card()["accuracy"], abs=2e-4)  # a tie may break otherwise elsewhere
