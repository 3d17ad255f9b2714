"""What the matrix products of a step would take alone: the mark that no executor can beat."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from plain import Case, Plain
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

PRODUCTS = ("aten.mm.default", "aten.addmm.default", "aten.bmm.default")


class _Shapes(TorchDispatchMode):
    """Counts the matrix products that run inside, by (m, k, n)."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: Counter[tuple[int, int, int]] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if str(func) in PRODUCTS:
            a, b = args[-2:] if "addmm" not in str(func) else args[1:3]
            self.seen[a.shape[-2], a.shape[-1], b.shape[-1]] += 1
        return func(*args, **(kwargs or {}))


class _Flops(TorchDispatchMode):
    """Adds up floating-point operations as torch counts them, in backward passes of backward passes, too."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        count = flop_registry.get(func.overloadpacket)
        if count is not None:
            self.total += count(*args, **(kwargs or {}), out_val=result)
        return result


def flops(case: Case) -> int:
    """Floating-point operations of one iteration of the plain loop."""
    plain = Plain(case)
    plain.advance(1)
    with _Flops() as counter:
        plain.advance(1)
    return counter.total


def products(case: Case, seeds: int, device: str = "cpu") -> float:
    """Seconds per iteration and seed that the matrix products of an iteration take by themselves."""
    plain = Plain(case)
    plain.advance(1)
    with _Shapes() as shapes:
        plain.advance(1)
    total = 0.0
    for (m, k, n), count in shapes.seen.items():
        a, b = torch.randn(seeds, m, k, device=device), torch.randn(seeds, k, n, device=device)
        out = torch.empty(seeds, m, n, device=device)
        total += count * fastest(lambda a=a, b=b, out=out: torch.bmm(a, b, out=out)) / seeds  # type: ignore[misc]
    return total


def rate(side: int = 1024, dtype: torch.dtype = torch.float32, device: str = "cpu") -> float:
    """Floating-point operations per second of a large matrix product, the ceiling of convolutions.

    The product is also tried as a convolution of one pixel, which goes through another library on a CPU.
    """
    a = torch.randn(side, side, device=device).to(dtype)
    x, w = a.view(1, side, 32, side // 32), a.view(side, side, 1, 1)
    with torch.no_grad():
        best = min(fastest(lambda: a @ a, 5), fastest(lambda: torch.nn.functional.conv2d(x, w), 5))
    return 2 * side**3 / best


def fastest(function: Callable[[], Any], repeat: int = 200) -> float:
    """Seconds of one call, the best of five rounds."""
    function()
    rounds = []
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(repeat):
            function()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        rounds.append((time.perf_counter() - began) / repeat)
    return min(rounds)
