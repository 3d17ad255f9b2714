"""A figure's protocol: one line, plain data and back, and what differs between two."""

import json

from steadygan.metrics import Protocol
from steadygan.metrics.protocol import together

FULL = Protocol(
    how="k = 5",
    n_fake=10_000,
    n_real=60_000,
    features="digits 0123456789ab (none)",
    real="mnist train deadbeef",
    pixels="rounded",
    weights="EMA",
    batch_norm="moving averages",
    seeds="fakes 0",
    versions="torch 2.15",
)


def test_one_line_with_everything():
    line = str(FULL)
    assert "\n" not in line
    for words in ("k = 5", "fakes: 10,000", "reals: 60,000", "against mnist train deadbeef", "features: digits", "EMA"):
        assert words in line
    assert str(Protocol("alone")) == "alone"


def test_plain_and_back():
    assert Protocol.read(json.loads(json.dumps(FULL.plain()))) == FULL
    assert Protocol("x").plain() == {"how": "x"}
    assert Protocol.read({"how": "x", "of a later version": 1}) == Protocol("x")


def test_what_differs():
    other = FULL.made(n_fake=2000, weights="live")
    assert FULL.differences(FULL) == []
    assert FULL.differences(other) == [("n_fake", "10,000", "2,000"), ("weights", "EMA", "live")]
    for field in FULL.plain():
        changed = FULL.made(**{field: 7 if field.startswith("n_") else "another"})
        assert [name for name, *_ in FULL.differences(changed)] == [field]


def test_a_generator_without_batch_norm_may_stand_beside_one_with_it():
    assert FULL.differences(FULL.made(batch_norm="")) == []


def test_what_is_shared_is_told_once():
    line = together({"density": FULL, "coverage": FULL, "fid": FULL.made(how="float64"), "kl": FULL.made(n_real=7)})
    assert line.startswith("density, coverage: k = 5; fid: float64 (reals: 60,000); kl: k = 5 (reals: 7); ")
    assert line.count("mnist") == 1
    assert together({}) == ""
