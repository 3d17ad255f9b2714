"""The same pictures through torch-fidelity and through us: the same figures."""

import pytest
import torch

from steadygan.features import Features, extract
from steadygan.metrics.moments import Moments, class_score, frechet, kernel_distance, precision_recall

SIDE, DIM, CLASSES = 6, 12, 5


def weights():
    draw = torch.Generator().manual_seed(3)
    return torch.randn(3 * SIDE * SIDE, DIM, generator=draw) / 3.0, torch.randn(DIM, CLASSES, generator=draw)


class Network:
    """A small frozen network of bytes."""

    name, digest, resize, classes, chunk = "small", "0", "none", CLASSES, 32

    def __init__(self):
        self.first, self.second = weights()

    def check(self, shape):
        assert shape == (3, SIDE, SIDE)

    def __call__(self, images):
        vectors = (images.flatten(1).float() / 127.5 - 1.0).mm(self.first).relu()
        return Features(vectors, vectors.mm(self.second))


def pictures(n, seed, low, high):
    return torch.randint(
        low, high, (n, 3, SIDE, SIDE), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed)
    )


@pytest.fixture
def registered():
    """The same network as torch-fidelity's users write one."""
    import torch_fidelity
    from torch_fidelity.registry import FEATURE_EXTRACTORS_REGISTRY

    class Extractor(torch_fidelity.FeatureExtractorBase):
        def __init__(self, name, features_list, **_):
            super().__init__(name, features_list)
            self.network = Network()

        @staticmethod
        def get_provided_features_list():
            return "vectors", "logits"

        @staticmethod
        def get_default_feature_layer_for_metric(metric):
            return "logits" if metric == "isc" else "vectors"

        def forward(self, images):
            return tuple(self.network(images)._asdict()[name] for name in self.features_list)

    torch_fidelity.register_feature_extractor("small-stand-in", Extractor)
    yield "small-stand-in"
    FEATURE_EXTRACTORS_REGISTRY.pop("small-stand-in")


def test_figures_are_those_of_torch_fidelity(tmp_path, registered):
    import torch_fidelity
    from PIL import Image

    fake, real = pictures(90, 1, 60, 200), pictures(110, 2, 0, 256)
    for folder, images in (("fake", fake), ("real", real)):
        (tmp_path / folder).mkdir()
        for index, image in enumerate(images):
            Image.fromarray(image.permute(1, 2, 0).numpy()).save(tmp_path / folder / f"{index:04d}.png")

    theirs = torch_fidelity.calculate_metrics(
        input1=str(tmp_path / "fake"), input2=str(tmp_path / "real"), feature_extractor=registered,
        isc=True, fid=True, kid=True, prc=True, kid_subsets=10, kid_subset_size=50,
        cuda=False, cache=False, save_cpu_ram=True, verbose=False,
    )  # fmt: skip
    a, b = extract(Network(), fake), extract(Network(), real)
    ours = {
        "frechet_inception_distance": frechet(Moments.of(a.vectors), Moments.of(b.vectors)),
        **class_score(a.logits),
        **kernel_distance(a.vectors, b.vectors, subsets=10, size=50),
        **precision_recall(a.vectors, b.vectors),
    }
    names = {
        "inception_score": "inception_score_mean",
        "kid": "kernel_inception_distance_mean",
        "kid_std": "kernel_inception_distance_std",
    }
    for name, value in ours.items():
        assert value == pytest.approx(theirs[names.get(name, name)], rel=1e-6), name
    assert ours["precision"] > ours["recall"] + 0.1  # the fakes are the narrower ones
    assert ours["inception_score"] > 1.1
