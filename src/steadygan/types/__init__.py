"""The seams: what flows between data, critics, losses, penalties and methods.

A GAN's objective is a sum of weighted means of per-sample terms. A `Loss` turns logits into terms, a `Penalty` adds a
term that measures the critic at some points, a `Method` changes which samples a critic is shown and as what, or adds
terms of its own. Higher logit = more real, for every critic.
"""

from .batch import Batch, cat
from .critic import Critic, Forward, Of, Scored, critic
from .networks import opened
from .output import Output
from .parts import Constraint, DBatch, Draw, Loss, Method, Now, Opponent, Part, Penalty, Term, Terms

__all__ = [
    "Batch",
    "Constraint",
    "Critic",
    "DBatch",
    "Draw",
    "Forward",
    "Loss",
    "Method",
    "Now",
    "Of",
    "Opponent",
    "Output",
    "Part",
    "Penalty",
    "Scored",
    "Term",
    "Terms",
    "cat",
    "critic",
    "opened",
]
