"""Evaluation of the samples of any generator, against any data: one evaluator for runs, files and arrays."""

from .evaluation import Evaluation, evaluate

__all__ = ["Evaluation", "evaluate"]
