"""The embedded digits: range, order, and the held-out third."""

import subprocess
import sys

import numpy as np
import torch
from sklearn.datasets import load_digits

from steadygan.data import digits
from steadygan.metrics import NearestNeighbour


def test_values_and_labels_are_those_of_scikit_learn():
    source, theirs = digits(), load_digits()
    everything = torch.cat([source.train, source.held_out])
    assert everything.shape == (1797, 1, 8, 8)
    assert float(everything.min()) == -1.0
    assert float(everything.max()) == 1.0
    pixels = ((everything + 1.0) * 8.0).flatten(1).numpy()
    kept = [i for i in range(1797) if i % 3 != 2]
    held = [i for i in range(1797) if i % 3 == 2]
    np.testing.assert_array_equal(pixels, theirs.data[kept + held])
    labels = torch.cat([source.label, source.held_out_label])
    np.testing.assert_array_equal(labels.numpy(), theirs.target[kept + held])


def test_sizes_shapes_and_classes():
    source = digits()
    assert source.size == 1198
    assert source.held_out.shape == (599, 1, 8, 8)
    assert (source.shape, source.image, source.classes) == ((1, 8, 8), True, 10)
    assert source.train.dtype == torch.float32
    assert source.label.dtype == torch.int64
    shares = source.held_out_label.bincount(minlength=10) / 599
    assert float((shares - 0.1).abs().max()) < 0.012  # the split is even enough to need no stratifying


def test_held_out_images_classify_the_training_images():
    source = digits()
    found = NearestNeighbour(source.held_out, source.held_out_label).classify(source.train)
    assert float((found == source.label).double().mean()) > 0.95


def test_scikit_learn_is_imported_only_when_asked_for():
    code = "import sys, steadygan.data; assert 'sklearn' not in sys.modules and 'scipy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
