"""Inception's features: loading its weights, every way in which that fails, and what the network makes of images.

The weights are a stand-in: torch-fidelity's own network with random ones, saved as its file is.
"""

import hashlib
import socket
from collections import OrderedDict
from pathlib import Path
from urllib.error import HTTPError, URLError

import numpy as np
import pytest
import torch
from torch import nn

from steadygan.errors import InputError
from steadygan.features import FeatureNetwork, InceptionFeatures, extract

NAME = "weights-inception-2015-12-05-6726825d.pth"


@pytest.fixture(scope="module")
def state():
    """Random weights; with torch's own, what enters the network would be lost on its way through."""
    from torch_fidelity import feature_extractor_inceptionv3 as theirs

    class Blank(theirs.FeatureExtractorInceptionV3):
        def load_state_dict(self, *_, **__):
            for module in self.modules():
                if isinstance(module, nn.Conv2d):
                    nn.init.kaiming_uniform_(module.weight, nonlinearity="relu")

    with pytest.MonkeyPatch.context() as patch, torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        patch.setattr(theirs, "load_state_dict_from_url", lambda *_, **__: {})
        return Blank("inception-v3-compat", ["2048"]).state_dict()


@pytest.fixture(scope="module")
def weights(state, tmp_path_factory):
    """The file of them."""
    file = tmp_path_factory.mktemp("weights") / "stand-in.pth"
    torch.save(state, file)
    yield file
    file.unlink()


@pytest.fixture
def small(state, tmp_path):
    """A file that has the same names and shapes, and a single 0 behind each."""
    torch.save({name: torch.zeros((), dtype=x.dtype).expand(x.shape) for name, x in state.items()}, tmp_path / "small")
    return tmp_path / "small"


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """An empty torch.hub folder, and no network."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    monkeypatch.setattr(torch.hub, "download_url_to_file", fails(URLError("no route to host")))
    return tmp_path / "hub" / "checkpoints"


def fails(error):
    def download(*_, **__):
        raise error

    return download


def images(n, channels, height, width, seed=0):
    shape, draw = (n, channels, height, width), torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=draw)


def complaint(*arguments):
    with pytest.raises(InputError) as caught:
        InceptionFeatures(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_features_are_those_of_torch_fidelity_and_grey_is_three_equal_channels(weights, capfd):
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    torchs, numpys = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    network = InceptionFeatures(str(weights))
    grey = images(2, 1, 20, 28)
    found = extract(network, grey)
    assert torch.equal(torch.get_rng_state(), torchs)
    assert np.array_equal(np.random.get_state()[1], numpys)  # noqa: NPY002
    assert capfd.readouterr() == ("", "")

    layers = ["2048", "logits_unbiased", "logits"]
    with torch.random.fork_rng(devices=[]):
        theirs = FeatureExtractorInceptionV3("inception-v3-compat", layers, feature_extractor_weights_path=weights)
    vectors, unbiased, biased = theirs(torch.cat([grey, grey, grey], dim=1))
    torch.testing.assert_close(found.vectors, vectors, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(found.logits, unbiased, rtol=1e-4, atol=1e-5)
    assert (biased - unbiased).abs().max() > 1e-3  # so that the two are told apart here
    assert (vectors[0] - vectors[1]).abs().max() > 1e-2
    assert found.vectors.dtype == found.logits.dtype == torch.float32
    assert (found.vectors.shape, found.logits.shape) == ((2, 2048), (2, network.classes))

    assert isinstance(network, FeatureNetwork)
    assert (network.name, network.digest) == ("inception", hashlib.sha256(weights.read_bytes()).hexdigest()[:12])
    assert network.resize.startswith("299 x 299, TensorFlow's bilinear (torch-fidelity)")


def roundings():
    """Of convolutions and products on a GPU, as this torch names them."""
    if hasattr(torch.backends.cudnn, "conv"):
        return torch.backends.cudnn.conv.fp32_precision, torch.backends.cuda.matmul.fp32_precision
    return torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32


def test_computes_in_float32_whatever_the_caller_does(small, monkeypatch):
    network, seen = InceptionFeatures(small), []

    class Fake(nn.Module):
        def forward(self, x):
            seen.append((*roundings(), torch.is_autocast_enabled("cpu")))
            return torch.zeros(len(x), 2048), torch.zeros(len(x), 1008)

    monkeypatch.setattr(network, "_network", Fake())
    before = roundings()
    with torch.autocast("cpu", torch.bfloat16):
        network(images(1, 3, 4, 4))
        assert torch.is_autocast_enabled("cpu")
    assert seen == [("ieee", "ieee", False) if hasattr(torch.backends.cudnn, "conv") else (False, False, False)]
    assert roundings() == before


@pytest.mark.parametrize("shape", [(2, 8, 8), (4, 8, 8), (8, 8), (3, 0, 8)])
def test_images_it_cannot_take(shape):
    network = InceptionFeatures.__new__(InceptionFeatures)  # without weights
    with pytest.raises(InputError, match="1 or 3 channels"):
        network.check(shape)
    network.check((3, 8, 9))
    network.check((1, 8, 9))


class TestTheHubsFile:
    @pytest.mark.parametrize(
        ("error", "reason"),
        [
            (URLError("no route to host"), "no route to host"),
            (URLError("[Errno -3] no name"), "no name"),
            (HTTPError("https://somewhere", 403, "Forbidden", None, None), "HTTP Error 403: Forbidden"),
            (RuntimeError('invalid hash value (expected "6726825d")'), 'invalid hash value (expected "6726825d")'),
            (RuntimeError("Error:\nTried https://a, got:\n<urlopen error no>\nTried https://b, got:\nx"), "no"),
            (RuntimeError("lost https://somewhere/a.pth"), "lost"),
            (TimeoutError("timed out"), "timed out"),
        ],
    )
    def test_cannot_be_downloaded(self, hub, monkeypatch, error, reason):
        monkeypatch.setattr(torch.hub, "download_url_to_file", fails(error))
        patience, message = socket.getdefaulttimeout(), complaint()
        assert f"weights, got {reason}: put {NAME} of torch-fidelity's releases into {str(hub)!r}, or" in message
        assert "--inception" in message
        assert "://" not in message
        assert socket.getdefaulttimeout() == patience

    def test_cannot_be_written(self, hub):
        hub.parent.parent.joinpath("hub").write_text("a file where the folder belongs")
        assert "--inception" in complaint()

    def test_of_another_hash_is_refused(self, hub, small):
        hub.mkdir(parents=True)
        small.rename(hub / NAME)
        message = complaint()
        assert "SHA-256 of 6726825d" in message
        assert "delete it" in message

    def test_is_downloaded_once_with_its_hash(self, hub, monkeypatch, small):
        from torch_fidelity import feature_extractor_inceptionv3 as theirs

        def download(url, target, hash_prefix, progress):
            calls.append((url, target, hash_prefix, progress, socket.getdefaulttimeout()))
            small.rename(target)

        calls, digest = [], hashlib.sha256(small.read_bytes()).hexdigest()
        url = f"https://somewhere/some-weights-{digest[:8]}.pth"
        monkeypatch.setattr(theirs, "URL_INCEPTION_V3", url)
        monkeypatch.setattr(torch.hub, "download_url_to_file", download)
        assert InceptionFeatures().digest == InceptionFeatures().digest == digest[:12]
        assert calls == [(url, str(hub / f"some-weights-{digest[:8]}.pth"), digest[:8], False, 60.0)]


class TestAGivenFile:
    def test_is_not_there(self, tmp_path):
        assert "found nothing there" in complaint(tmp_path / "nothing.pth")

    def test_is_a_folder(self, tmp_path):
        assert "give the file" in complaint(tmp_path)

    @pytest.mark.parametrize(
        "content", [b"", b"no checkpoint", b"<!DOCTYPE html>\n<p>404</p>", b"PK\x03\x04 not really"]
    )
    def test_is_no_checkpoint(self, tmp_path, content):
        file = tmp_path / "some.pth"
        file.write_bytes(content)
        assert "damaged or not a checkpoint" in complaint(file)

    def test_is_cut_short(self, tmp_path, small):
        content = small.read_bytes()
        (tmp_path / "half.pth").write_bytes(content[: len(content) // 2])
        assert "damaged or not a checkpoint" in complaint(tmp_path / "half.pth")

    def test_would_run_something(self, tmp_path):
        torch.save({"fc.weight": Trap(str(tmp_path / "sprung"))}, tmp_path / "trap.pth")
        assert "damaged or not a checkpoint" in complaint(tmp_path / "trap.pth")
        assert not (tmp_path / "sprung").exists()

    def test_is_a_traced_network(self, tmp_path, recwarn):
        torch.jit.trace(nn.Linear(2, 2), torch.zeros(1, 2)).save(str(tmp_path / "traced.pt"))
        recwarn.clear()
        assert "damaged or not a checkpoint" in complaint(tmp_path / "traced.pt")
        assert not recwarn.list

    @pytest.mark.parametrize(
        "content",
        [
            nn.Linear(2, 2).state_dict(),
            {"state_dict": OrderedDict()},
            {1: torch.zeros(2)},
            torch.zeros(3),
            [1, 2],
        ],
    )
    def test_is_of_something_else(self, tmp_path, content):
        torch.save(content, tmp_path / "other.pth")
        torchs = torch.get_rng_state()
        assert "checkpoint of something else" in complaint(tmp_path / "other.pth")
        assert torch.equal(torch.get_rng_state(), torchs)

    def test_has_other_classes(self, tmp_path, small):
        state = torch.load(small)
        torch.save(
            {**state, "fc.weight": torch.zeros(1000, 2048), "fc.bias": torch.zeros(1000)}, tmp_path / "other.pth"
        )
        message = complaint(tmp_path / "other.pth")
        assert "checkpoint of something else" in message
        assert "fc.weight" in message


class Trap:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (Path(self.path),)
