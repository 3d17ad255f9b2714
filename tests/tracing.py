"""Steps traced as for the compiler, whose traced operations are then done as they are: graph breaks show, fast."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from steadygan.engine.compiler import too_old


def traced_steps(monkeypatch: pytest.MonkeyPatch) -> list[Callable[..., Any]]:
    """From now on steps are traced; the list is of those that were."""
    if (missing := too_old()) is not None:
        pytest.skip(missing)
    found, plain = [], torch.compile
    torch.compiler.reset()

    def compiled(step: Callable[..., Any], *, options: dict[str, Any], **wishes: Any) -> Callable[..., Any]:
        found.append(step)
        options = {key: value for key, value in options.items() if key == "guard_filter_fn"}
        return plain(step, backend="eager", options=options, **wishes)

    monkeypatch.setattr(torch, "compile", compiled)
    return found
