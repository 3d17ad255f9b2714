"""The networks' settings: which fields each has on the command line, and a constraint that has none."""

from __future__ import annotations

import pytest

from steadygan.config import Settings, override
from steadygan.config.data import Ring8
from steadygan.config.networks import (
    DcganAutoencoder,
    DualDiscriminator,
    DualGenerator,
    Mlp,
    MlpAutoencoder,
    MlpDiscriminator,
)
from steadygan.config.optimisation import Constant
from steadygan.config.parts import SpectralNormSettings, WeightClippingSettings
from steadygan.errors import InputError

BASE = Settings(data=Ring8(), schedule=Constant(), horizon=10)


def test_both_players_are_mlps_of_their_own() -> None:
    found = override(BASE, ["generator.width=8", "discriminator.width=9", "discriminator.embedding=4"])
    assert found.generator == Mlp(width=8)
    assert found.discriminator == MlpDiscriminator(width=9, embedding=4)
    with pytest.raises(InputError, match=r"unknown setting 'generator.embedding'"):
        override(BASE, ["generator.embedding=4"])


def test_networks_by_name() -> None:
    found = override(BASE, ["generator=dual", "discriminator=dual", "discriminator.residual=true"])
    assert (found.generator, found.discriminator) == (DualGenerator(), DualDiscriminator(residual=True))
    assert override(BASE, ["discriminator=mlp_autoencoder"]).discriminator == MlpAutoencoder()
    code = override(BASE, ["discriminator=dcgan_autoencoder", "discriminator.code=16"]).discriminator
    assert code == DcganAutoencoder(code=16)


@pytest.mark.parametrize(("word", "said"), [
    ("generator=mlp_autoencoder", r"unknown generator 'mlp_autoencoder': .*known: .*dcgan, dual, mlp, "),
    ("discriminator.activation=tanh", r"discriminator.activation: expected one of leaky_relu, selu, got 'tanh'"),
    ("discriminator.norm=bach", r"discriminator.norm: expected one of none, batch, got 'bach': did you mean 'batch'\?"),
    ("discriminator.depth=4", r"unknown setting 'discriminator.depth': discriminator=dual has activation, "),
])  # fmt: skip
def test_what_a_network_does_not_have(word: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        override(BASE, ["discriminator=dual", word])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("word", ["constraint=spectral_norm", "constraint.spectral_norm="])
@pytest.mark.parametrize("before", [[], ["constraint=weight_clipping"], ["constraint.weight_clipping=0.1"]])
def test_spectral_norm(word: str, before: list[str]) -> None:
    found = override(BASE, [*before, word])
    assert dict(found.constraint.items()) == {"spectral_norm": SpectralNormSettings()}
    assert found.plain()["constraint"] == {"spectral_norm": {}}
    assert Settings.check(found.plain()) == found
    assert dict(override(found, ["constraint.weight_clipping=0.1"]).constraint.items()) == {
        "weight_clipping": WeightClippingSettings(c=0.1)
    }
    assert not dict(override(found, ["constraint=none"]).constraint.items())
    assert not dict(override(found, ["constraint.spectral_norm=none"]).constraint.items())


@pytest.mark.parametrize(("words", "said"), [
    (["constraint.spectral_norm=3"], r"constraint.spectral_norm: expected no value, .* got '3': leave it out"),
    (["constraint.spectral_norm.weight=3"], r"unknown setting 'constraint.spectral_norm.weight'"),
    (["constraint=weight_clipping,spectral_norm"], "constraint: expected one at most, got weight_clipping and"),
])  # fmt: skip
def test_spectral_norm_refuses(words: list[str], said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        override(BASE, words)
    assert "\n" not in str(caught.value)


def test_json_of_old_runs_is_read() -> None:
    """Settings that were saved before the discriminators had ends of their own."""
    tree = BASE.plain()
    tree["discriminator"] = {"name": "mlp", "width": 64, "depth": 3, "activation": "relu", "output": None}
    assert Settings.check(tree).discriminator == MlpDiscriminator(activation="relu")


@pytest.mark.parametrize(("words", "said"), [
    (["discriminator=dual", "discriminator.activation=selu"],
     "discriminator.norm: expected none with activation=selu, .* got batch: set discriminator.norm=none"),
    (["discriminator.embedding=4", "discriminator.denoiser=5"],
     "discriminator: expected an embedding or a denoiser, got embedding=4 and denoiser=5: set one of them to 0"),
    (["discriminator=dcgan", "discriminator.embedding=4", "discriminator.denoiser=5"],
     "discriminator: expected an embedding or a denoiser, got embedding=4 and denoiser=5: set one of them to 0"),
])  # fmt: skip
def test_what_does_not_go_together(words: list[str], said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        override(BASE, words)
    assert "\n" not in str(caught.value)
