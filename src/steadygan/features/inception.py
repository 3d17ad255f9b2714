"""The Inception network of FID, KID and the Inception Score: torch-fidelity's, with its resize."""

from __future__ import annotations

import contextlib
import hashlib
import io
import pickle
import sys
import warnings
from collections.abc import Iterator, Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..devices import kept
from ..errors import InputError, one_line, unreachable
from ..places import given_place, patient, reading
from .network import FEATURES, FeatureNetwork, Features

LAYERS = ("2048", "logits_unbiased")  # torch-fidelity's: FID and KID use the one, the Inception Score the other


class InceptionFeatures:
    """TensorFlow's Inception v3 of 2015-12-05 as torch-fidelity computes it [szegedy2016, obukhov2020].

    vectors (n, 2048) are what its last layer reads, logits (n, 1008) what it says without its bias. Grey images count
    as three equal channels. It computes where the images are.

    path: the file of its weights; None takes it from torch.hub's folder, where torch-fidelity keeps it too (TORCH_HOME
    moves it), and downloads it on first use. Raises InputError when it cannot be had, is damaged, or is of another
    network.
    """

    name: str = "inception"
    resize: str = "299 x 299, TensorFlow's bilinear (torch-fidelity), grey as three equal channels"
    classes: int | None = 1008
    chunk: int = 64
    known_as: Mapping[str, str] = {"frechet": "fid", "kernel_distance": "kid", "class_score": "inception_score"}

    def __init__(self, path: str | Path | None = None) -> None:
        file = _cached_weights() if path is None else given_place(path, "Inception's weights")
        with reading(f"Inception's weights at {str(file)!r}", "give the file"):
            content = file.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        if path is None and not digest.startswith(_hash(file.name)):
            raise InputError(
                f"expected Inception's weights with a SHA-256 of {_hash(file.name)}... in {str(file)!r}, "
                f"got {digest[:8]}...: delete it, and it is downloaded again"
            )
        self.digest = digest[:12]
        self._network = _network(content, file)

    def check(self, shape: tuple[int, ...]) -> None:
        """Raises InputError unless a shape (channels, height, width) has 1 or 3 channels."""
        if len(shape) != 3 or shape[0] not in (1, 3) or min(shape) < 1:
            got = f"{shape}: use your own feature network"
            raise InputError(f"{self.name}: expected images (1 or 3 channels, height, width), got {got}")

    def __call__(self, images: Tensor) -> Features:
        """Of uint8 images (n, 1 or 3, height, width); the result is on the CPU."""
        colour = images if images.shape[1] == 3 else images.expand(-1, 3, -1, -1)
        with _float32(images.device):
            vectors, logits = self._network.to(images.device)(colour)
        return Features(vectors.cpu(), logits.cpu())


@FEATURES.register("inception")
def _features(shape: tuple[int, ...]) -> FeatureNetwork:
    return InceptionFeatures()


@contextlib.contextmanager
def _float32(device: torch.device) -> Iterator[None]:
    """No device rounds to TF32, as cuDNN does unless told otherwise, and no caller's half precision counts."""
    cudnn: Any = torch.backends.cudnn
    matmul = torch.backends.cuda.matmul
    renamed = hasattr(cudnn, "conv")  # torch 2.9 gave these switches other names
    places, name = [cudnn.conv if renamed else cudnn, matmul], "fp32_precision" if renamed else "allow_tf32"
    before = [getattr(place, name) for place in places]
    try:
        for place in places:
            setattr(place, name, "ieee" if renamed else False)
        with torch.autocast(device.type, enabled=False):
            yield
    finally:
        for place, value in zip(places, before, strict=True):
            setattr(place, name, value)


def _cached_weights() -> Path:
    """The file of Inception's weights in torch.hub's folder, downloaded there if need be; raises InputError."""
    from torch_fidelity import feature_extractor_inceptionv3 as theirs

    url: str = theirs.URL_INCEPTION_V3
    file = Path(torch.hub.get_dir(), "checkpoints", url.rpartition("/")[2])
    try:
        if file.exists():
            return file
        file.parent.mkdir(parents=True, exist_ok=True)
        with patient():
            torch.hub.download_url_to_file(url, str(file), _hash(file.name), progress=sys.stderr.isatty())
    except (OSError, RuntimeError, HTTPException) as error:
        raise InputError(
            f"expected to download Inception's weights, got {unreachable(error)}: put {file.name} of torch-fidelity's "
            f"releases into {str(file.parent)!r}, or name the file with --inception (or path=)"
        ) from None
    return file


def _hash(name: str) -> str:
    """The first digits of the SHA-256 that a file's name ends in."""
    return name.rpartition(".")[0].rpartition("-")[2]


def _network(content: bytes, file: Path) -> Any:
    from torch_fidelity.utils import create_feature_extractor

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a traced network, which is refused
            state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except (OSError, EOFError, RuntimeError, ValueError, KeyError, AttributeError, pickle.UnpicklingError) as error:
        raise InputError(
            f"expected Inception's weights in {str(file)!r}, got a file that torch.load cannot read "
            f"({type(error).__name__}): it is damaged or not a checkpoint; delete it, or name another"
        ) from None
    checked = io.BytesIO()
    torch.save(state, checked)  # torch-fidelity's own load would run whatever a file holds
    checked.seek(0)
    try:
        with kept():  # its layers are drawn before they are filled
            return create_feature_extractor(
                "inception-v3-compat", [*LAYERS], cuda=False, verbose=False, feature_extractor_weights_path=checked
            )
    except (RuntimeError, TypeError, AttributeError) as error:
        raise InputError(
            f"expected Inception's weights in {str(file)!r}, got a checkpoint of something else ({one_line(error)}): "
            "use the file from torch-fidelity"
        ) from None
