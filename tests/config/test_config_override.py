"""`key=value`: nested, typed by the setting it names, refused in one line that says what to write instead."""

from __future__ import annotations

from typing import Any

import pytest

from steadygan.config import Settings, override
from steadygan.config.data import Grid25
from steadygan.config.optimisation import Linear
from steadygan.config.parts import FakeAsRealSettings, GradientPenaltySettings, Methods, Penalties
from steadygan.errors import InputError

BASE = Settings(
    recipe="grid25/far",
    data=Grid25(),
    schedule=Linear(),
    horizon=40_000,
    penalty=Penalties(r1=GradientPenaltySettings(weight=0.1)),
    method=Methods(fake_as_real=FakeAsRealSettings(count=8)),
)
R1 = {"weight": 0.1, "of": "logit", "interval": 1, "by": "gradient", "sigma": 0.01}
UNTOUCHED = BASE.plain()
FAR = "method.fake_as_real"


@pytest.mark.parametrize(
    ("words", "changed"),
    [
        ("batch_size=128", {"batch_size": 128}),
        ("batch_size=1e2", {"batch_size": 100}),
        ("horizon=40_000", {}),
        ("lr_d=2e-4", {"lr_d": 2e-4}),
        ("lr_g=.01", {"lr_g": 0.01}),
        ("lr_d=none", {}),
        ("device=cuda:1", {"device": "cuda:1"}),
        ("dtype=float64", {"dtype": "float64"}),
        ("threads=2", {"threads": 2}),
        ("loss=hinge", {"loss": {"name": "hinge"}}),
        ("loss.name=hinge", {"loss": {"name": "hinge"}}),
        ("loss=least_squares loss.a=-1", {"loss": {"name": "least_squares", "a": -1.0, "b": 1.0, "c": 1.0}}),
        ("loss=least_squares loss=hinge", {"loss": {"name": "hinge"}}),
        ("penalty.r1.weight=0.3", {"penalty": {"r1": {**R1, "weight": 0.3}}}),
        ("penalty.r1.interval=4 penalty.r1=0.3", {"penalty": {"r1": {**R1, "weight": 0.3}}}),
        ("penalty.r1.of=probability", {"penalty": {"r1": {**R1, "of": "probability"}}}),
        ("penalty.r1=none", {"penalty": {}}),
        ("penalty=none", {"penalty": {}}),
        ("penalty=r1,r2", {"penalty": {"r1": {**R1, "weight": 10.0}, "r2": {**R1, "weight": 10.0}}}),
        ("penalty=none penalty.r2.weight=1", {"penalty": {"r2": {**R1, "weight": 1.0}}}),
        ("method=none", {"method": {}}),
        ("method=plain", {"method": {}}),
        ("method.fake_as_real=16", {"method": {"fake_as_real": {"count": 16, "factor": 8, "scope": "all"}}}),
        ("method.fake_as_real.count=0", {"method": {"fake_as_real": {"count": 0, "factor": 8, "scope": "all"}}}),
        ("method.packing.degree=3 method.fake_as_real=none", {"method": {"packing": {"degree": 3}}}),
        ("constraint.weight_clipping.c=0.02", {"constraint": {"weight_clipping": {"c": 0.02}}}),
        ("ema=none", {"ema": None}),
        ("ema=0.99", {"ema": {"decay": 0.99, "half_life": None, "ramp_up": 0.05}}),
        ("ema.half_life=5000", {"ema": {"decay": None, "half_life": 5000.0, "ramp_up": 0.05}}),
        ("ema=none ema.decay=0.9", {"ema": {"decay": 0.9, "half_life": None, "ramp_up": 0.05}}),
        ("schedule=constant", {"schedule": {"name": "constant"}}),
        ("schedule.start=0.25", {"schedule": {"name": "linear", "start": 0.25, "end": 0.0}}),
        ("data=points data.path=007", {"data": {"name": "points", "path": "007", "standardise": True}}),
        ("data=points data.path=a=b.csv", {"data": {"name": "points", "path": "a=b.csv", "standardise": True}}),
        ("data=points data.standardise=false", {"data": {"name": "points", "path": None, "standardise": False}}),
        ("data.n=500 data.seed=3", {"data": {"name": "grid25", "scale": 1.0, "n": 500, "seed": 3}}),
    ],
)
def test_a_value_is_read_as_its_settings_type(words: str, changed: dict[str, Any]) -> None:
    plain = override(BASE, words.split()).plain()
    assert {key: value for key, value in plain.items() if value != UNTOUCHED[key]} == changed


def test_overriding_optimizer_settings_keeps_the_others() -> None:
    optimizer = override(BASE, ["optimizer.betas=0,0.99", "optimizer.eps=1e-7"]).optimizer
    assert (optimizer.name, optimizer.betas, optimizer.eps) == ("adam", (0.0, 0.99), 1e-7)
    assert override(BASE, ["optimizer.eps=1e-7", "optimizer=rmsprop"]).optimizer.eps == 1e-8


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("batch_size=many", "batch_size: expected a whole number of 1 or more, got 'many'"),
        ("batch_size=64.5", "batch_size: expected a whole number of 1 or more, got 64.5"),
        ("batch_size=true", "batch_size: expected a whole number of 1 or more, got 'true'"),
        ("batch_size=none", "batch_size: expected a whole number of 1 or more, got none"),
        ("batch_size=inf", "batch_size: expected a whole number of 1 or more, got inf"),
        ("seed=-1", "seed: expected a whole number of 0 or more, got -1"),
        ("lr_g=0", "lr_g: expected a number above 0, got 0"),
        ("lr_d=nan", "lr_d: expected a number above 0, or none, got nan"),
        ("data.scale=-1", "data.scale: expected a number above 0, got -1"),
        ("penalty.r1.weight=-1", "penalty.r1.weight: expected a number of 0 or more, got -1"),
        ("penalty.r1.interval=0", "penalty.r1.interval: expected a whole number of 1 or more, got 0"),
        (
            "penalty.r1.of=logits",
            "penalty.r1.of: expected one of logit, probability, sum, got 'logits': did you mean 'logit'?",
        ),
        (
            "method.fake_as_real.count=65",
            "method.fake_as_real.count: expected at most the batch of 64, got 65: lower it or raise batch_size",
        ),
        ("method.fake_as_real.factor=0", "method.fake_as_real.factor: expected a whole number of 1 or more, got 0"),
        (
            "method=fake_as_real",
            "method.fake_as_real.count: expected a value, got nothing: add method.fake_as_real.count=...",
        ),
        ("ema.decay=1", "ema.decay: expected a number from 0 to below 1, or none, got 1"),
        ("ema.decay=none", "ema: expected a decay or a half_life, got None and None: set one of them to none"),
        (
            "optimizer.betas=0.5",
            "optimizer.betas: expected two numbers from 0 to below 1, such as 0.5,0.9, got 0.5",
        ),
        ("optimizer=adm", "optimizer.name: expected one of adam, rmsprop, sgd, got 'adm': did you mean 'adam'?"),
        ("device=gpu", "device: expected auto, cpu, mps, cuda or cuda:<number>, got 'gpu'"),
        ("data=points data.standardise=2", "data.standardise: expected true or false, got 2"),
        ("loss.b=2", "unknown setting 'loss.b': loss=nonsaturating has no settings of its own"),
        ("data.path=x.csv", "unknown setting 'data.path': data=grid25 has n, scale, seed"),
        ("count=4", f"unknown setting 'count': did you mean {FAR}.count or method.sample_differences.count?"),
        ("alpha=1", "unknown setting 'alpha': did you mean loss.alpha or optimizer.alpha?"),
        ("method.cramer.x=1", "unknown setting 'method.cramer.x': method.cramer has no settings of its own"),
        ("batch_size.x=3", "unknown setting 'batch_size.x': batch_size is a single value"),
        ("batch_size", "expected a setting as key=value, got 'batch_size': for example batch_size=128"),
        ("recipe=x", "recipe: expected as the first argument, got recipe=...: write steadygan train ring8/far"),
    ],
)
def test_a_refusal_says_key_expectation_and_what_came(words: str, message: str) -> None:
    with pytest.raises(InputError) as refused:
        override(BASE, words.split())
    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("word", "offered"),
    [
        ("batchsize=3", "did you mean 'batch_size'?"),
        ("lr=1", "did you mean 'lr_g'?"),
        ("penalty.r1.wieght=1", "did you mean 'penalty.r1.weight'?"),
        ("penalty.zerogp.weight=1", "did you mean 'penalty.zero_gp'?"),
        ("method.fake_real.count=1", "did you mean 'method.fake_as_real'?"),
        ("generator.widht=3", "did you mean 'generator.width'?"),
        ("loss=hinj", "did you mean 'hinge'?"),
        ("data=grid", "did you mean 'grid25'?"),
        ("schedule=linaer", "did you mean 'linear'?"),
        ("generator.activation=leakyrelu", "did you mean 'leaky_relu'?"),
    ],
)
def test_the_nearest_known_name_is_offered(word: str, offered: str) -> None:
    with pytest.raises(InputError) as refused:
        override(BASE, [word])
    assert offered in str(refused.value)
    assert "\n" not in str(refused.value)


def test_settings_are_checked_together_after_the_last_word() -> None:
    settings = override(BASE, ["batch_size=4", "method.fake_as_real.count=4"])
    assert (settings.batch_size, settings.method["fake_as_real"]) == (4, FakeAsRealSettings(count=4))


def test_the_base_is_left_as_it_was() -> None:
    override(BASE, ["penalty.r1.weight=5", "optimizer.betas=0,0.1"])
    assert BASE.plain() == UNTOUCHED
