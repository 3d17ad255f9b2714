"""Train GANs that do not collapse, and see during training whether they do."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from . import callbacks, data, diagnostics, features, losses, methods, metrics, models, penalties, theory, types
    from .diagnostics.diagnosis import Diagnosis, diagnose
    from .diagnostics.monitor import CollapseMonitor
    from .diagnostics.remedy import Remedy
    from .diagnostics.verdicts import Verdict
    from .engine.objective import d_loss, g_loss
    from .errors import CollapseWarning
    from .evaluation import Evaluation, evaluate
    from .reporting import report
    from .runs.export import export
    from .runs.run import Run, load
    from .training.guard import Guard
    from .training.seeds import Seeds
    from .training.trainer import Trainer

_OBJECTS = {
    "CollapseMonitor": "diagnostics.monitor",
    "CollapseWarning": "errors",
    "Diagnosis": "diagnostics.diagnosis",
    "Evaluation": "evaluation",
    "Guard": "training.guard",
    "Remedy": "diagnostics.remedy",
    "Run": "runs.run",
    "Seeds": "training.seeds",
    "Trainer": "training.trainer",
    "Verdict": "diagnostics.verdicts",
    "d_loss": "engine.objective",
    "diagnose": "diagnostics.diagnosis",
    "evaluate": "evaluation",
    "export": "runs.export",
    "g_loss": "engine.objective",
    "load": "runs.run",
    "report": "reporting",
}

__all__ = [
    "CollapseMonitor",
    "CollapseWarning",
    "Diagnosis",
    "Evaluation",
    "Guard",
    "Remedy",
    "Run",
    "Seeds",
    "Trainer",
    "Verdict",
    "callbacks",
    "d_loss",
    "data",
    "diagnose",
    "diagnostics",
    "evaluate",
    "export",
    "features",
    "g_loss",
    "load",
    "losses",
    "methods",
    "metrics",
    "models",
    "penalties",
    "report",
    "theory",
    "types",
]


def __getattr__(name: str) -> Any:
    """Loads a public name when it is first used, so that `steadygan --help` need not import torch."""
    if name in _OBJECTS:
        return getattr(import_module(f".{_OBJECTS[name]}", __name__), name)
    if name in __all__:
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
