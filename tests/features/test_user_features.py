"""A function of the user's own as the feature network: what it may return, and every way in which it is wrong."""

import hashlib
import random
import sys
import textwrap

import numpy as np
import pytest
import torch

from steadygan.errors import InputError
from steadygan.features import FeatureNetwork, extract, user_features

IMAGES = torch.arange(5 * 3 * 4 * 4).view(5, 3, 4, 4).to(torch.uint8)
MINE = """
import random

import numpy as np
import torch
from torch import nn

LEVEL = 3


def mean(images):
    return images.float().mean((2, 3))


def arrays(images):
    x = images.numpy().mean((2, 3))
    return x, x[:, ::-1] * 2


def learned(images):
    return nn.Linear(48, 2, bias=False)(images.flatten(1).float()).double()


def graph(images):
    return torch.full((len(images), 1), torch.is_grad_enabled())


def at_once(images):
    images.clamp_(max=10)
    return mean(images)


def same(images):
    BUFFER.copy_(images[:, :, 0, 0])
    return BUFFER


BUFFER = torch.zeros(1, 3)


class _Made:
    def __call__(self, images):
        return mean(images), None


made = _Made()


PROJECTION = torch.randn(48, 3)


def drawn(images):
    noise = torch.rand(1) + np.random.rand() + random.random()
    return images.flatten(1).float().mm(PROJECTION) + noise


def rows(images):
    return torch.zeros(len(images) + 1, 2)


def flat(images):
    return images.float().mean((1, 2, 3))


def none(images):
    return torch.zeros(len(images), 0)


def nothing(images):
    pass


def words(images):
    return np.array([["a"]] * len(images))


def waves(images):
    return torch.zeros(len(images), 2, dtype=torch.complex64)


def three(images):
    return mean(images), mean(images), mean(images)


def few_logits(images):
    return mean(images), mean(images)[:1]


def endless_logits(images):
    return mean(images), mean(images) / 0


def nan(images):
    return mean(images) * float("nan")


def raises(images):
    raise RuntimeError("no\\nsuch thing")


def by_number(images):
    return torch.zeros(len(images), len(images))


def sometimes(images):
    return (mean(images), mean(images)) if len(images) == 2 else mean(images)


def noisy(images):
    torch.manual_seed(1)
    np.random.seed(1)
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(torch.get_num_threads() + 1)
    torch.set_grad_enabled(True)
    from neighbour_of_mine import DIM
    return torch.rand(len(images), DIM)
"""


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """mine_module:... of a file in the current folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine_module.py").write_text(MINE)
    (tmp_path / "neighbour_of_mine.py").write_text("DIM = 4\n")
    before = set(sys.modules)
    yield lambda name: user_features(f"mine_module:{name}")
    for name in set(sys.modules) - before:
        if name.split(".")[0] in {"mine_module", "neighbour_of_mine", "scripted", "broken", "lacking", "packed"}:
            del sys.modules[name]


def complaint(call):
    with pytest.raises(InputError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_vectors(mine, tmp_path):
    network = mine("mean")
    assert isinstance(network, FeatureNetwork)
    found = extract(network, IMAGES)
    torch.testing.assert_close(found.vectors, IMAGES.double().mean((2, 3)).float())
    assert found.logits is None
    assert network.classes is None
    assert (network.name, network.resize) == ("mine_module:mean", "as mine_module:mean does")
    assert network.digest == hashlib.sha256((tmp_path / "mine_module.py").read_bytes()).hexdigest()[:12]


def test_vectors_and_logits_of_arrays(mine):
    network = mine("arrays")
    network.check((3, 4, 4))
    assert network.classes == 3  # known before any image is measured
    found = extract(network, IMAGES)
    wanted = IMAGES.double().mean((2, 3)).float()
    torch.testing.assert_close(found.vectors, wanted)
    torch.testing.assert_close(found.logits, wanted.flip(1) * 2)
    assert found.vectors.dtype == found.logits.dtype == torch.float32


def test_an_object_that_can_be_called(mine):
    network = mine("made")
    assert extract(network, IMAGES).logits is None
    assert network.name == "mine_module:made"


def test_a_network_leaves_no_graph_and_comes_as_float32(mine):
    with torch.enable_grad():
        found = mine("learned")(IMAGES)
        assert mine("graph")(IMAGES).vectors.sum() == 0.0  # nor does it keep one while it runs
    assert not found.vectors.requires_grad
    assert found.vectors.dtype == torch.float32


def test_images_that_it_works_on_are_its_own(mine):
    before = IMAGES.clone()
    assert float(extract(mine("at_once"), IMAGES).vectors.max()) <= 10.0
    assert torch.equal(IMAGES, before)


def test_a_buffer_that_it_uses_again_is_not_shared(mine, monkeypatch):
    network = mine("same")
    first = network(IMAGES[:1])
    second = network(IMAGES[1:2])
    assert torch.equal(first.vectors, IMAGES[:1, :, 0, 0].float())
    assert torch.equal(second.vectors, IMAGES[1:2, :, 0, 0].float())


def test_what_it_draws_is_the_same_again(mine):
    first = mine("drawn")(IMAGES)
    torch.rand(1), np.random.rand(), random.random()  # noqa: NPY002
    del sys.modules["mine_module"]  # its projection is drawn anew
    torch.testing.assert_close(mine("drawn")(IMAGES).vectors, first.vectors, rtol=0, atol=0)


def test_the_digest_is_of_the_file_that_defines_the_function(mine, tmp_path):
    (tmp_path / "packed").mkdir()
    (tmp_path / "packed" / "__init__.py").write_text("from .inner import f\n")
    (tmp_path / "packed" / "inner.py").write_text("def f(images):\n    return images.flatten(1).float()\n")
    wanted = hashlib.sha256((tmp_path / "packed" / "inner.py").read_bytes()).hexdigest()[:12]
    assert user_features("packed:f").digest == user_features("packed.inner:f").digest == wanted


def test_the_host_is_left_alone(mine):
    random.random(), np.random.rand(), torch.rand(1)  # noqa: NPY002
    path, state = list(sys.path), (random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state())  # noqa: NPY002
    dtype, threads = torch.get_default_dtype(), torch.get_num_threads()
    with torch.no_grad():
        network = mine("noisy")
        assert extract(network, IMAGES).vectors.shape == (5, 4)
        assert not torch.is_grad_enabled()
    assert sys.path == path
    assert random.getstate() == state[0]
    assert np.array_equal(np.random.get_state()[1], state[1])  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), state[2])
    assert (torch.get_default_dtype(), torch.get_num_threads()) == (dtype, threads)


@pytest.mark.parametrize(
    ("function", "wanted"),
    [
        ("rows", r"features (2, width) of 2 images, got (3, 2)"),
        ("flat", "got (2,): return one row per image"),
        ("none", "got (2, 0): return one row per image"),
        ("nothing", "got a NoneType: return (n, dim) features, or a tuple"),
        ("words", "got an array of <U1"),
        ("waves", "got complex (2, 2)"),
        ("three", "got a tuple"),
        ("few_logits", "logits (2, width) of 2 images, got (1, 3)"),
        ("endless_logits", "finite logits, got NaN or infinity"),
        ("raises", "uint8 images (2, 3, 4, 4), got RuntimeError: no such thing: fix the function"),
        ("nan", "finite features, got NaN or infinity"),
        ("by_number", "got 2 and no at first, then 5 and no"),
        ("sometimes", "got 3 and 3 at first, then 3 and no"),
    ],
)
def test_a_wrong_result(mine, function, wanted):
    message = complaint(lambda: extract(mine(function), IMAGES))
    assert message.startswith(f"mine_module:{function}: expected ")
    assert wanted in message


@pytest.mark.parametrize("name", ["mine_module", "mine_module:", ":mean", "mine_module.py:mean", "a b:c", "x:y:z", ""])
def test_a_wrong_name(mine, name):
    assert f"expected module:function, such as mine:features for that of mine.py, got {name!r}" in complaint(
        lambda: user_features(name)
    )


def test_what_is_not_there(mine):
    message = complaint(lambda: mine("maen"))
    assert "unknown function of mine_module 'maen': did you mean 'mean'?" in message
    assert "_Made" not in message
    assert "LEVEL" not in message
    assert "expected mine_module:LEVEL to be a function, got a int" in complaint(lambda: mine("LEVEL"))
    assert "expected a module not_there_at_all.inner for" in complaint(
        lambda: user_features("not_there_at_all.inner:f")
    )
    assert "expected a module mine_module.inner for" in complaint(lambda: user_features("mine_module.inner:f"))


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("def f(:", "SyntaxError"),
        ("import surely_not_installed", "ModuleNotFoundError: No module named 'surely_not_installed'"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
    ],
)
def test_a_module_that_fails(mine, tmp_path, source, wanted):
    (tmp_path / "broken.py").write_text(textwrap.dedent(source))
    path = list(sys.path)
    message = complaint(lambda: user_features("broken:f"))
    assert message.startswith("expected to import broken for broken:f, got ")
    assert wanted in message
    assert sys.path == path


def test_a_built_in_function_has_no_file():
    assert "wrap it in your own function" in complaint(lambda: user_features("builtins:len"))
