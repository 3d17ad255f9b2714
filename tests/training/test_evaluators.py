"""What a run is measured with: networks by name, a run that goes on without one, and that measuring changes nothing."""

import pytest
import torch

import steadygan as sg
from images import SHAPE, images, source
from steadygan.data import Source
from steadygan.errors import InputError
from steadygan.evaluation.evaluator import batch_norm, evaluator_beside, network_for
from steadygan.features import FEATURES, Features


class Means:
    """The mean of each channel."""

    name, digest, resize, classes, chunk = "means", "00", "none", None, 64

    def check(self, shape):
        if shape[0] != 3:
            raise InputError(f"means: expected 3 channels, got {shape[0]}: use another network")

    def __call__(self, pixels):
        return Features(pixels.float().mean((2, 3)))


def state(run):
    return [p.clone() for network in (run.G, run.G_live, run.D) for p in network.state_dict().values()]


def test_measuring_changes_no_bit_of_the_run():
    lone = images(evaluator=None).fit(20)
    measured = images(evaluator="auto", features=Means(), evaluate_n=100, evaluate_every=4).fit(20)
    for a, b in zip(state(lone), state(measured), strict=True):
        assert torch.equal(a, b)
    record = measured.metrics[-1]
    assert {"frechet", "precision", "recall", "density", "coverage", "balance", "energy_distance"} <= record.keys()
    assert "memorised" not in record  # left to the command
    assert measured.protocols["frechet"].features == "means 00 (none)"
    assert measured.protocols["frechet"].weights == "EMA"


def test_protocols_and_reference_are_kept_with_the_run(tmp_path):
    out = tmp_path / "run"
    run = images(evaluator="auto", features=Means(), evaluate_n=100, out=out).fit(4)
    G, D = images().setup.G, images().setup.opponents["D"].critic
    read = sg.load(out, G, D)
    assert read.protocols == run.protocols
    assert read.reference == run.reference


def test_a_run_goes_on_without_a_network_that_cannot_be_had(monkeypatch, tmp_path):
    def gone(shape):
        raise InputError("expected weights, got none: put them there")

    monkeypatch.setitem(FEATURES._entries, "inception", gone)
    run = images(evaluator="auto", features="inception", evaluate_n=100, out=tmp_path / "run").fit(4)
    assert "balance" in run.metrics[-1]
    assert "frechet" not in run.metrics[-1]
    told = "no figures of inception: expected weights, got none: put them there"
    assert told in run.notes
    assert told in (tmp_path / "run" / "log.txt").read_text()


def test_networks_by_name():
    plain = source()
    assert network_for(plain, "auto") is None  # nothing of its own
    assert network_for(plain, None) is None
    own = Means()
    assert network_for(plain, own) is own
    grey = Source("grey", (1, *SHAPE[1:]), torch.zeros(50, 1, *SHAPE[1:]), image=True)
    evaluate, told = evaluator_beside(grey, own, 100, torch.nn.Identity(), False, torch.device("cpu"))
    assert "frechet" not in evaluate.protocols
    assert told.endswith(": means: expected 3 channels, got 1: use another network")
    with pytest.raises(InputError, match="did you mean 'inception'"):
        images(features="inceptoin")
    points = Source("points", (2,), torch.zeros(9, 2))
    assert network_for(points, own) is None


def test_batch_norm_in_words():
    assert batch_norm(torch.nn.Sequential(torch.nn.Linear(2, 2))) == ""
    assert batch_norm(torch.nn.Sequential(torch.nn.BatchNorm1d(2))) == "moving averages"
