"""The papers' own settings: a recipe for each row of their tables, and what they printed for it."""

from . import dual, fargan, points, sdp, stacked_mnist, zero_gp
from .table import ROWS_OF, TABLES, Claim, PaperTable, Published, Row
from .table import table as table_named

__all__ = [
    "ROWS_OF",
    "TABLES",
    "Claim",
    "PaperTable",
    "Published",
    "Row",
    "dual",
    "fargan",
    "points",
    "sdp",
    "stacked_mnist",
    "table_named",
    "zero_gp",
]
