"""Latents, classes and the samples of G: the first n of an endless sequence defined by a seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice, repeat
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from .devices import borrowed, global_states, plain_modes, restore_global_states
from .errors import check_number
from .types import Batch
from .types.batch import in_parts
from .types.critic import evaluating, kept_buffers
from .types.labels import made_for, told

Latent: TypeAlias = Callable[[int, torch.Generator], Tensor]

CHUNK = 256  # latents are drawn and generated this many at a time, whatever n: a longer sample begins like a shorter
LABEL_STREAM = 0x5EED1ABE  # other bits among the lowest 32: torch's CPU generator looks at no more of a seed


def latents(latent: Latent, n: int, seed: int, device: torch.device) -> Tensor:
    """The first n latents of `seed`, in whole chunks: (ceil(n / 256) * 256, ...)."""
    return torch.cat([*islice(chunks(latent, seed, device), -(-n // CHUNK))])


def chunks(latent: Latent, seed: int, device: torch.device) -> Iterator[Tensor]:
    """The latents of `seed` without end, 256 at a time."""
    generator, states = torch.Generator(device).manual_seed(seed), None
    while True:
        with borrowed(seed, device):  # a user's latent may draw from the global generators: they go on, too
            if states is not None:
                restore_global_states(states, device)
            z, states = latent(CHUNK, generator), global_states(device)
        yield z


def label_chunks(prior: Tensor, seed: int) -> Iterator[Tensor]:
    """Classes of fakes without end, 256 at a time, as frequent as in `prior`; another stream than the latents'."""
    generator = torch.Generator(prior.device).manual_seed(seed ^ LABEL_STREAM)
    while True:
        yield labels(prior, CHUNK, generator)


def truncated(z: Tensor, bound: float) -> Tensor:
    """z ~ N(0, 1) per coordinate, as numbers of the normal distribution cut off at -bound and bound [brock2019].

    z' = F^-1(F(-b) + F(z) (F(b) - F(-b))), F the normal distribution function: each z has its z', so a longer draw
    still begins like a shorter one. Raises InputError unless bound > 0.
    """
    check_number("truncation", bound, 0, above=True)
    low = torch.special.ndtr(torch.tensor(-bound, dtype=torch.float64))
    tail = torch.special.ndtr(-z.cpu().to(torch.float64).abs())  # of the lower half, where F keeps its digits
    cut = torch.special.ndtri(low + tail * (1.0 - 2.0 * low)).clamp(-bound, bound).to(z)
    return torch.copysign(cut, z)


def between(a: Tensor, b: Tensor, steps: int) -> Tensor:
    """`steps` latents from a to b (m, dim), both ends included: (m * steps, dim) [white2016].

    The direction turns along the great circle, sin((1 - t) w) / sin(w) a/|a| + sin(t w) / sin(w) b/|b| with w the angle
    between the two (a straight line where sin(w) is 0), and the length goes from |a| to |b|: between ends of one length
    this is the paper's formula, and between others no latent is longer than the longer end.
    """
    t = torch.linspace(0.0, 1.0, steps, dtype=a.dtype, device=a.device).view(1, -1, 1)
    cosine = torch.nn.functional.cosine_similarity(a, b, dim=1).clamp(-1.0, 1.0)
    angle = torch.arccos(cosine).view(-1, 1, 1)
    straight = angle.sin() < 1e-6
    sine = torch.where(straight, 1.0, angle.sin())
    left = torch.where(straight, 1.0 - t, ((1.0 - t) * angle).sin() / sine)
    right = torch.where(straight, t, (t * angle).sin() / sine)
    tiny = torch.finfo(a.dtype).tiny
    long_a, long_b = (end.norm(dim=1).clamp_min(tiny).view(-1, 1, 1) for end in (a, b))
    length = (1.0 - t) * long_a + t * long_b
    path: Tensor = length / long_a * left * a.unsqueeze(1) + length / long_b * right * b.unsqueeze(1)
    return path.flatten(0, 1)


def rows(z: Iterator[Tensor], classes: Iterator[Tensor] | None, steps: int) -> Iterator[tuple[Tensor, Tensor | None]]:
    """Latents and classes, 256 at a time, of rows of `steps` images that lead from one latent to another.

    Row r leads from latent 2 r to latent 2 r + 1 and keeps the class of the first.
    """
    together = max(1, CHUNK // steps)  # rows at a time: however long they are, few latents are held
    for chunk in z:
        kinds = repeat(None) if classes is None else torch.split(next(classes)[0::2], together)
        ends = zip(torch.split(chunk[0::2], together), torch.split(chunk[1::2], together), kinds, strict=False)
        for a, b, kind in ends:
            parts = torch.split(between(a, b, steps), CHUNK)
            label = [None] * len(parts) if kind is None else torch.split(kind.repeat_interleave(steps), CHUNK)
            yield from zip(parts, label, strict=True)


@plain_modes()
@torch.no_grad()
def generate(network: nn.Module, z: Tensor, n: int, label: Tensor | None = None, given: Any = None) -> Tensor:
    """G(z) for the first n latents, chunk by chunk, in eval mode and without moving a buffer.

    given: conditions (m, ...) that G also takes, one for each latent; or alone, where latents have no numbers.
    """
    with evaluating(network), kept_buffers(network):
        made = [
            network(z.clone(), **told(network, which)) if own is None else made_for(network, z.clone(), which, own)
            for z, which, own in in_parts(Batch(z, label, given), CHUNK)
        ]  # a G may write over its z
    return torch.cat(made)[:n]


def normal_latent(dim: int, dtype: torch.dtype) -> Latent:
    """z ~ N(0, I), (n, dim)."""

    def latent(n: int, generator: torch.Generator) -> Tensor:
        return torch.randn(n, dim, generator=generator, device=generator.device, dtype=dtype)

    return latent


def labels(prior: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """Classes (n,) drawn from the labels of the training samples: as frequent as they are there."""
    index = torch.randint(prior.shape[0], (n,), generator=generator, device=generator.device)
    return prior[index]
