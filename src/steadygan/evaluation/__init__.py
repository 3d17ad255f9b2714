"""Judging what any generator made, against any data: one evaluator for runs, files and arrays."""

from .evaluation import Evaluation, evaluate

__all__ = ["Evaluation", "evaluate"]
