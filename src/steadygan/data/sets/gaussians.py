"""The papers' 2-D data sets: a few lines of torch each, drawn on the generator's device."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ...config.block import taking
from ...config.data import Gaussian, Grid25, Ring8, Swissroll, TwoGaussians, TwoGaussiansFake
from ..source import DATA, Sampler, Source

FAKES = 0xFA4E  # added to the seed of fakes: those of one seed would else be the reals of another mean
TWO_GAUSSIANS_REAL = ((0.4, 0.9), ((1.0, 0.5), (0.5, 1.0)))  # mean, covariance
TWO_GAUSSIANS_FAKE = ((1.3, 1.2), ((1.0, 0.7), (0.7, 1.0)))


@DATA.register("gaussian")
@taking(Gaussian)
def gaussian(own: Gaussian) -> Source:
    """N(0, scale^2 I) in the plane, by default a finite training set of 100 and unlimited fresh samples [tao2020].

    n: number of training samples, drawn once with `seed`; None trains on unlimited data.
    """
    return _source("gaussian", partial(_normal, scale=own.scale), own.n, own.seed)


@DATA.register("ring8")
@taking(Ring8)
def ring8(own: Ring8) -> Source:
    """Eight Gaussians on a circle: scale (cos a, sin a) / 1.414 + N(0, (0.02/1.414)^2 I), a = 0, pi/4, ... [tao2020].

    The noise does not grow with `scale`: at 10 the modes lie far apart. n, seed: as for `gaussian`.
    """
    angle = torch.arange(8, dtype=torch.float64) * (math.pi / 4)
    centres = own.scale * torch.stack([angle.cos(), angle.sin()], 1) / 1.414
    return _mixture("ring8", centres, 0.02 / 1.414, own.n, own.seed)


@DATA.register("grid25")
@taking(Grid25)
def grid25(own: Grid25) -> Source:
    """25 Gaussians on a 5 x 5 grid: scale (i, j) / 2.828, i and j in -4, -2, 0, 2, 4, plus noise [tao2020].

    The noise is N(0, (0.05 scale / 2.828)^2 I). n, seed: as for `gaussian`.
    """
    factor = own.scale / 2.828
    axis = torch.arange(-4, 5, 2, dtype=torch.float64)
    return _mixture("grid25", factor * torch.cartesian_prod(axis, axis), 0.05 * factor, own.n, own.seed)


@DATA.register("swissroll")
@taking(Swissroll)
def swissroll(own: Swissroll) -> Source:
    """The rolled strip seen from its side: scale (t (cos t, sin t) + N(0, 0.25^2 I)) / 7.5 [tao2020].

    t ~ U(1.5 pi, 4.5 pi): axes 0 and 2 of scikit-learn's make_swiss_roll(noise=0.25). n, seed: as for `gaussian`.
    """
    return _source("swissroll", partial(_swissroll, scale=own.scale), own.n, own.seed)


@DATA.register("two_gaussians")
@taking(TwoGaussians)
def two_gaussians(own: TwoGaussians) -> Source:
    """The real one of two overlapping Gaussians: mean (0.4, 0.9), covariance [[1, .5], [.5, 1]] [thanhtung2019].

    n, seed: as for `gaussian`.
    """
    return _overlapping("two_gaussians", two_gaussians_real, TWO_GAUSSIANS_REAL, own.n, own.seed)


@DATA.register("two_gaussians_fake")
@taking(TwoGaussiansFake)
def two_gaussians_fakes(own: TwoGaussiansFake) -> Source:
    """The fake one, which no generator makes: mean (1.3, 1.2), covariance [[1, .7], [.7, 1]] [thanhtung2019].

    n, seed: as for `gaussian`; fakes and reals of one seed do not depend on each other.
    """
    return _overlapping("two_gaussians_fake", two_gaussians_fake, TWO_GAUSSIANS_FAKE, own.n, own.seed + FAKES)


def two_gaussians_real(n: int, generator: torch.Generator) -> Tensor:
    """Samples (n, 2) of the real Gaussian of `two_gaussians` [thanhtung2019]."""
    return _correlated(n, generator, *TWO_GAUSSIANS_REAL)


def two_gaussians_fake(n: int, generator: torch.Generator) -> Tensor:
    """Samples (n, 2) of the fake Gaussian: mean (1.3, 1.2), covariance [[1, .7], [.7, 1]] [thanhtung2019]."""
    return _correlated(n, generator, *TWO_GAUSSIANS_FAKE)


def log_normal(x: Tensor, mean: tuple[float, ...], cov: tuple[Any, ...]) -> Tensor:
    """log N(x; mean, cov) of x (n, 2): -(x - m)' C^-1 (x - m) / 2 - log det(2 pi C) / 2."""
    factor = torch.linalg.cholesky(torch.tensor(cov, dtype=torch.float64)).to(x.device)
    away = x.double() - torch.tensor(mean, dtype=torch.float64).to(x.device)
    scaled = torch.linalg.solve_triangular(factor, away.T, upper=False)
    constant = x.shape[1] * math.log(2 * math.pi) / 2 + factor.diagonal().log().sum()
    log: Tensor = -0.5 * scaled.square().sum(0) - constant
    return log.to(x.dtype)


def _overlapping(name: str, sampler: Sampler, told: tuple[Any, Any], n: int | None, seed: int) -> Source:
    mean, cov = told
    return replace(_source(name, sampler, n, seed), log_density=partial(log_normal, mean=mean, cov=cov))


def _normal(n: int, generator: torch.Generator, scale: float) -> Tensor:
    return scale * torch.randn(n, 2, generator=generator, device=generator.device)


def _modes(n: int, generator: torch.Generator, centres: Tensor, std: float) -> Tensor:
    device = generator.device
    mode = torch.randint(centres.shape[0], (n,), generator=generator, device=device)
    noise = torch.randn(n, centres.shape[1], generator=generator, device=device)
    return torch.add(centres.to(device)[mode], noise, alpha=std)


def _swissroll(n: int, generator: torch.Generator, scale: float) -> Tensor:
    device = generator.device
    t = 1.5 * math.pi * (1.0 + 2.0 * torch.rand(n, generator=generator, device=device))
    noise = torch.randn(n, 2, generator=generator, device=device)
    roll = t.unsqueeze(1) * torch.stack([t.cos(), t.sin()], 1)
    return torch.add(roll, noise, alpha=0.25) * (scale / 7.5)


def _correlated(n: int, generator: torch.Generator, mean: tuple[float, ...], cov: tuple[Any, ...]) -> Tensor:
    device = generator.device
    factor = torch.linalg.cholesky(torch.tensor(cov, dtype=torch.float64)).to(device, torch.float32)
    noise = torch.randn(n, 2, generator=generator, device=device)
    return torch.addmm(torch.tensor(mean, device=device), noise, factor.T)


def _mixture(name: str, centres: Tensor, std: float, n: int | None, seed: int) -> Source:
    centres = centres.to(torch.float32)
    return replace(_source(name, partial(_modes, centres=centres, std=std), n, seed), centres=centres, std=std)


def _source(name: str, sampler: Sampler, n: int | None, seed: int) -> Source:
    train = None if n is None else sampler(n, torch.Generator().manual_seed(seed))
    return Source(name, (2,), train, sampler=sampler)
