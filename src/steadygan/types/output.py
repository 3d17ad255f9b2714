"""What a critic returns for a batch in one pass: logits, one or several for each sample, and features."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import isclose
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor

from ..errors import InputError, check_number

HALF = (torch.bfloat16, torch.float16)
Weigh: TypeAlias = Mapping[str, float] | Sequence[float]  # of each head, sum 1


def widened(x: Tensor) -> Tensor:
    """A tensor of half precision (bf16, float16) in float32; any other as it is."""
    return x.float() if x.dtype in HALF else x


class Output(NamedTuple):
    """What a critic returns for a batch in one pass.

    A critic that gives each sample k logits (patches, scales, several networks) returns them as `logit_map`. `share` is
    the weight of each, 1 / k where it is None; `logits` are the weighted means.
    """

    logits: Tensor  # (n,), before any sigmoid
    features: Mapping[str, Tensor]  # named activations; {} when nobody asked
    logit_map: Tensor | None = None  # (n, k)
    share: Tensor | None = None  # (k,), sum 1
    heads: tuple[tuple[str, int], ...] = ()  # (name, logits of a sample) of each head, in the order of the map

    @property
    def scores(self) -> Tensor:
        """The input of an adversarial loss: the map (n, k) where there is one, else the logits (n,)."""
        return self.logits if self.logit_map is None else self.logit_map

    def constant(self) -> Output:
        """The same output without a graph."""
        features = {key: value.detach() for key, value in self.features.items()}
        logit_map = None if self.logit_map is None else self.logit_map.detach()
        return self._replace(logits=self.logits.detach(), features=features, logit_map=logit_map)

    def first(self, n: int) -> Output:
        """The output for the first n samples."""
        features = {key: value[:n] for key, value in self.features.items()}
        logit_map = None if self.logit_map is None else self.logit_map[:n]
        return self._replace(logits=self.logits[:n], features=features, logit_map=logit_map)

    def of_heads(self) -> dict[str, Tensor]:
        """The mean logit (n,) of each head by name; {} where there is only one."""
        if self.logit_map is None or len(self.heads) < 2:
            return {}
        parts = torch.split(self.logit_map, [k for _, k in self.heads], dim=1)
        return {name: part.mean(1) for (name, _), part in zip(self.heads, parts, strict=True)}


def shared(value: Tensor, share: Tensor | None) -> Tensor:
    """Values (n, k) of k logits each, combined into one per sample (n,) by their shares; (n,) stays as it is."""
    if value.ndim < 2:  # a loss of one's own may have reduced it
        return value
    return value.mean(1) if share is None else value @ share.to(value.dtype)


def in_one(outputs: Sequence[Output]) -> Output:
    """Concatenates the outputs of consecutive parts of a batch."""
    first = outputs[0]
    if len(outputs) == 1:
        return first
    maps = [each.logit_map for each in outputs if each.logit_map is not None]
    return first._replace(
        logits=torch.cat([each.logits for each in outputs]),
        features={key: torch.cat([each.features[key] for each in outputs]) for key in first.features},
        logit_map=torch.cat(maps) if maps else None,
    )


def as_output(result: Any, n: int, weigh: Weigh | None = None) -> Output:
    """Reads what a discriminator returned for n samples; raises InputError when it is not logits.

    A tensor (n, ...) holds k logits per sample, usually one. A pair is (logits, features by name, or a list of
    features). A list or mapping contains heads: each is a tensor, such a pair, or a list of features that ends with the
    logits. Features of heads are named `head.feature`. Heads have equal weights, or those of `weigh`. Half precision
    ends here: losses, penalties and methods compute in float32.
    """
    if isinstance(result, Tensor) and weigh is None:  # of most discriminators
        check_scores(result, n)
        if result.ndim == 1 or result.numel() == n:
            return Output(widened(result if result.ndim == 1 else result.flatten()), {})
    if isinstance(result, Output):
        if weigh is not None:
            raise InputError("expected heads to weigh, got an Output, which has shares of its own: leave weigh= out")
        return _whole(result, n)
    heads = [*_heads(result)]
    features: dict[str, Tensor] = {}
    for name, logits, own in heads:
        check_scores(logits, n, f"its head {name}" if len(heads) > 1 else "")
        features |= {f"{name}.{key}" if len(heads) > 1 else key: widened(value) for key, value in own.items()}
    maps = [logits.flatten(1) if logits.ndim > 1 else logits.unsqueeze(1) for _, logits, _ in heads]
    sizes = tuple((name, own.shape[1]) for (name, _, _), own in zip(heads, maps, strict=True))
    share = _share(sizes, weigh, maps[0])
    if sum(k for _, k in sizes) == 1:
        return Output(widened(maps[0].flatten()), features)
    logit_map = widened(torch.cat(maps, 1) if len(maps) > 1 else maps[0])
    return Output(shared(logit_map, share), features, logit_map, share, sizes)


def _heads(result: Any) -> Iterator[tuple[str, Tensor, Mapping[str, Tensor]]]:
    """(name, logits, features) of each head."""
    if isinstance(result, tuple) and len(result) == 2 and isinstance(result[0], list | Mapping):
        logits, features = result
        if not isinstance(features, type(logits)) or len(features) != len(logits):
            raise InputError(
                f"the discriminator returned {len(logits)} heads with features as {type(features).__name__}: return "
                "features for each head"
            )
        pairs = features.values() if isinstance(features, Mapping) else features
        named = logits.items() if isinstance(logits, Mapping) else enumerate(logits)
        for (name, own), feature in zip(named, pairs, strict=True):
            yield _head(str(name), (own, feature))
    elif isinstance(result, list | Mapping):
        if not result:
            raise InputError("the discriminator must return logits, but returned an empty list: return x -> (n,)")
        for name, own in result.items() if isinstance(result, Mapping) else enumerate(result):
            yield _head(str(name), own)
    else:
        yield _head("", result)


def _head(name: str, result: Any) -> tuple[str, Tensor, Mapping[str, Tensor]]:
    if isinstance(result, Output):
        check_features(result.features)
        return name, result.scores, result.features
    if isinstance(result, list) and name and result and all(isinstance(each, Tensor) for each in result):
        return name, result[-1], {str(i): each for i, each in enumerate(result[:-1])}
    logits, features = result if isinstance(result, tuple) and len(result) == 2 else (result, {})
    if isinstance(features, list) and all(isinstance(each, Tensor) for each in features):
        features = {str(i): each for i, each in enumerate(features)}
    check_features(features)
    if not isinstance(logits, Tensor):
        raise InputError(
            f"the discriminator must return a tensor of logits, but returned {type(logits).__name__}: return x -> "
            "(n,), a map (n, ...), a list of them, or set call= to a function that calls it"
        )
    return name, logits, features


def check_features(features: Any) -> None:
    """Raises InputError unless these are tensors by name."""
    if not isinstance(features, dict | Mapping):
        raise InputError(
            "the discriminator must return logits, or logits and features by name, but returned a pair with "
            f"{type(features).__name__}: return the logits alone, heads as a list, or Output(logits, "
            "{'classes': other})"
        )
    for name, value in features.items():
        if not isinstance(value, Tensor):
            raise InputError(
                f"the discriminator must return features as tensors, but returned {type(value).__name__} as {name!r}: "
                "leave it out"
            )


def check_scores(logits: Tensor, n: int, whose: str = "") -> None:
    """Raises InputError unless these are logits of n samples."""
    if logits.ndim < 1 or logits.shape[0] != n or not logits.numel():
        raise InputError(
            f"the discriminator must return logits of each sample, shape ({n},), ({n}, 1) or a map ({n}, ...), but "
            f"{whose + ' ' if whose else ''}returned {tuple(logits.shape)}: keep samples on the first axis, or set "
            "pack= to the number of samples it joins"
        )
    if not logits.is_floating_point():
        raise InputError(
            f"the discriminator must return logits as floats, but returned {logits.dtype}: leave out the conversion"
        )


def _whole(output: Output, n: int) -> Output:
    """Checks an output that the discriminator built itself."""
    logits, features, logit_map, share, heads = output
    check_features(features)
    features = {key: widened(value) for key, value in features.items()}
    if logit_map is None:
        return as_output(logits, n)._replace(features=features)
    check_scores(logit_map, n)
    logit_map = widened(logit_map.flatten(1))
    if share is not None and not torch.compiler.is_compiling():
        check_share(share, logit_map.shape[1])
    return Output(shared(logit_map, share), features, logit_map, share, heads)


def check_share(share: Tensor, k: int) -> None:
    """Raises InputError unless there is one share per logit, each 0 or more, with sum 1."""
    if torch._C._functorch.is_functorch_wrapped_tensor(share) or (
        share.is_cuda and torch.cuda.is_current_stream_capturing()
    ):
        return  # a graph that is recorded may not wait for the host
    share = share.detach()
    if share.shape != (k,) or bool((share < 0).any()) or not isclose(float(share.sum()), 1.0, abs_tol=1e-3):
        got = f"{tuple(share.shape)}" if share.shape != (k,) else f"a sum of {float(share.sum()):.4g}"
        raise InputError(
            f"expected shares of {k} logits, each 0 or more, with sum 1, got {got}: divide them by their sum"
        )


def check_weigh(weigh: Weigh) -> None:
    """Raises InputError unless the weights of heads are 0 or more, with sum 1."""
    if isinstance(weigh, str) or not isinstance(weigh, Mapping | Sequence):
        got = type(weigh).__name__
        raise InputError(f"expected weigh= as a mapping or list of the heads' weights, got {got}: give (0.25, 0.75)")
    own = [*weigh.values()] if isinstance(weigh, Mapping) else [*weigh]
    for i, each in enumerate(own):
        check_number(f"weigh[{i}]", each)
    if not own or min(own) < 0 or not isclose(sum(own), 1.0, abs_tol=1e-3):
        raise InputError(
            f"expected weigh= with weights of 0 or more and sum 1, got {', '.join(f'{w:g}' for w in own) or 'none'}: "
            "divide them by their sum"
        )


def _share(sizes: Sequence[tuple[str, int]], weigh: Weigh | None, like: Tensor) -> Tensor | None:
    """The weight of each logit, a head's weight in equal parts; None where all are equal."""
    names = [name for name, _ in sizes]
    if weigh is None:
        weights = [1.0 / len(sizes)] * len(sizes)
    elif len(weigh) != len(sizes) or (isinstance(weigh, Mapping) and {*weigh} != {*names}):
        got = ", ".join(weigh) if isinstance(weigh, Mapping) else f"{len(weigh)}"
        told = f"the {len(sizes)} heads {', '.join(names)}" if len(sizes) > 1 else "one head"
        raise InputError(f"expected weigh= for {told}, got {got}: give each head a weight")
    else:
        weights = [weigh[name] for name in names] if isinstance(weigh, Mapping) else [*weigh]
    each = [weight / k for weight, (_, k) in zip(weights, sizes, strict=True)]
    if max(each) - min(each) <= 1e-12:
        return None
    dtype = torch.float32 if like.dtype in HALF else like.dtype
    return torch.cat(
        [torch.full((k,), own, dtype=dtype, device=like.device) for own, (_, k) in zip(each, sizes, strict=True)]
    )
