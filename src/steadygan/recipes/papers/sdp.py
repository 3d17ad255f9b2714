"""SDP's tables and figures [zhangsdp]: five GANs without and with realistic fakes drawn to their nearest reals."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from ...config import Settings
from ...config.data import DATA
from ...config.optimisation import Optimizer
from ...config.parts import (
    Constraints,
    GradientPenaltySettings,
    LeastSquaresSettings,
    Methods,
    Penalties,
    PlainLoss,
    SampleDifferencesSettings,
    SpectralNormSettings,
)
from .table import Claim, PaperTable, Published, Row, enrol, network, published, short

HINGE = PlainLoss("hinge")
CNN = {"optimizer": Optimizer(betas=(0.5, 0.999))}
RESNET = {
    "optimizer": Optimizer(betas=(0.0, 0.9)),
    "loss": HINGE,
    "constraint": Constraints(spectral_norm=SpectralNormSettings()),
}
GP = {"loss": PlainLoss("wasserstein"), "penalty": Penalties(one_gp=GradientPenaltySettings(10.0)), "d_steps": 5}
SIDES = {"cifar10": 32, "cifar100": 32, "tiny_imagenet": 64}
BASES: dict[str, dict[str, Any]] = {  # what each base is, beside its networks
    "lsgan": {**CNN, "loss": LeastSquaresSettings()},
    "wgan-gp": {**CNN, **GP},
    "hinge": {**CNN, "loss": HINGE},
    "sngan": {**RESNET, "d_steps": 5},
    "autogan": {**RESNET, "lr_g": 1e-4, "lr_d": 4e-4},
}
START = 3000  # from this iteration on fakes count as realistic; a tenth of a short run


def gan(data: str, base: str, weight: float, norm: bool = True, **changes: Any) -> Settings:
    """Batch 64, 100,000 iterations at 2e-4, no average; SDP of this weight as algorithm 1 has it, none at 0.

    norm: G has batch norm, as SN-GAN's networks have it.
    """
    kind = {"autogan": "autogan{}", "sngan": "sngan{}"}.get(base, "sngan{}_cnn")
    nets = network(kind.format(SIDES[data]))
    if not norm:
        nets["generator"] = replace(nets["generator"], norm="none")
    sdp = SampleDifferencesSettings(weight=weight, start=START, feature_layers=("all",), reuse_batch=True, pairs="once")
    common = {
        **nets,
        "data": DATA.find(data)(),
        "latent_dim": 128,
        "lr_g": 2e-4,
        "method": Methods(sample_differences=sdp) if weight else Methods(),
        "horizon": 100_000,
    }
    return Settings(**published(5000, **{**common, **BASES[base], **changes}))


def shorter(build: Any, horizon: int, **more: Any) -> Settings:
    """Two cores' run of it, in which SDP begins after a tenth."""
    made = short(build, horizon, **more)
    own = made.method.get("sample_differences")
    if own is None:
        return made
    return replace(made, method=Methods(sample_differences=replace(own, start=min(own.start, horizon // 10))))


def row(data: str, base: str, weight: float, fid: float | None = None, kind: str = "", **changes: Any) -> Row:
    """cifar10-wgan-gp-plain, cifar10-wgan-gp-sdp, cifar10-wgan-gp-fast-sdp, cifar10-wgan-gp-sdp-0.03."""
    which = "plain" if not weight else "sdp" if weight == 0.01 else f"sdp-{weight:g}"
    settings = partial(gan, data, base, weight, **changes)
    return Row(
        "-".join(filter(None, (data.replace("_", "-"), base, kind, which))),
        f"{data}, {base}{f' ({kind})' * bool(kind)}: " + (f"SDP of weight {weight:g}" if weight else "no SDP"),
        settings,
        partial(shorter, settings, 5000 if base == "sngan" else 8000),
        {} if fid is None else {"fid": Published(fid)},
    )


def pair(data: str, base: str, fid: float, fid_sdp: float, kind: str = "", **changes: Any) -> tuple[Row, Row]:
    return row(data, base, 0.0, fid, kind, **changes), row(data, base, 0.01, fid_sdp, kind, **changes)


def table(name: str, text: str, *pairs: tuple[Row, Row]) -> PaperTable:
    """A claim for each pair, that SDP helps, or hurts where it was printed so."""
    claims = []
    for plain, sdp in pairs:
        helps = sdp.published["fid"].mean < plain.published["fid"].mean
        better, worse = (sdp.name, plain.name) if helps else (plain.name, sdp.name)
        claims.append(Claim(f"{plain.name.removesuffix('-plain')}: SDP {'helps' if helps else 'hurts'}", better, worse))
    rows = tuple(row for own in pairs for row in own)
    return PaperTable(name, text, "sdp", "zhangsdp", "fid", rows, tuple(claims), OPEN)


OPEN = (
    "the CNN is called standard: SN-GAN's was taken without its spectral norm; its norm layers are batch norm in G",
    "SN-GAN is taken as its ResNet, with hinge loss; lambda is a mean over the k pairs",
)
FAST: dict[str, Any] = {"kind": "fast", "lr_g": 1e-3}
BARE: dict[str, Any] = {"kind": "bare", "norm": False}
AGGRESSIVE = (
    *pair("cifar10", "wgan-gp", 116.69, 38.55, **FAST),
    *pair("cifar10", "wgan-gp", 49.74, 34.76, **BARE),
    *(row("cifar10", "lsgan", weight, **BARE) for weight in (0.0, 0.01)),
)
SWEEP = tuple(row("cifar10", "wgan-gp", weight) for weight in (0.0, 0.01, 0.03, 0.05, 0.1))
PLAIN = "cifar10-wgan-gp-plain"

enrol(
    table(
        "sdp-table1",
        "FID of five GANs without and with SDP on CIFAR-10 and CIFAR-100",
        pair("cifar10", "lsgan", 37.28, 32.58),
        pair("cifar10", "wgan-gp", 38.06, 31.52),
        pair("cifar10", "wgan-gp", 116.69, 38.55, **FAST),
        pair("cifar10", "wgan-gp", 49.74, 34.76, **BARE),
        pair("cifar10", "hinge", 38.20, 34.96),
        pair("cifar10", "sngan", 17.45, 16.79),
        pair("cifar10", "autogan", 21.62, 20.13),
        pair("cifar100", "lsgan", 39.14, 38.50),
        pair("cifar100", "wgan-gp", 37.26, 32.05),
        pair("cifar100", "hinge", 38.54, 36.39),
        pair("cifar100", "sngan", 21.10, 20.74),
        pair("cifar100", "autogan", 25.70, 23.46),
    ),
    table(
        "sdp-table2",
        "the same on Tiny ImageNet",
        pair("tiny_imagenet", "lsgan", 61.45, 53.91),
        pair("tiny_imagenet", "wgan-gp", 47.79, 44.96),
        pair("tiny_imagenet", "hinge", 64.10, 56.95),
        pair("tiny_imagenet", "sngan", 51.47, 52.48),
    ),
    PaperTable(
        "sdp-figure3",
        "WGAN-GP with SDP of rising weight",
        "sdp",
        "zhangsdp",
        "fid",
        SWEEP,
        (
            Claim("0.01 helps", SWEEP[1].name, PLAIN),
            Claim("0.03 helps", SWEEP[2].name, PLAIN),
            Claim("0.05 makes no difference", SWEEP[3].name, PLAIN, same=True),
            Claim("0.1 hurts", PLAIN, SWEEP[4].name),
        ),
        OPEN,
    ),
    PaperTable(
        "sdp-figure4",
        "aggressive settings: a rate of 1e-3, no norm; without norm least squares, too, which the paper has not",
        "sdp",
        "zhangsdp",
        "fid",
        AGGRESSIVE,
        tuple(
            Claim(f"{plain.name.removesuffix('-plain')}: SDP still converges", sdp.name, plain.name)
            for plain, sdp in zip(AGGRESSIVE[::2], AGGRESSIVE[1::2], strict=True)
        ),
        (*OPEN, "the figure is FID over epochs: final beside best shows who diverges"),
    ),
)
