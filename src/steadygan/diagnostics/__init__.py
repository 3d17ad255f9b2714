"""Why a training goes wrong: gradients a generator receives, whether its discriminator lives, and other indicators."""

from .close_pairs import pair_figures
from .coverage import chosen_over_covered, over_coverage
from .diversity import diversity
from .equilibrium import off_equilibrium
from .gradients import generator_gradient, gradient_figures
from .outputs import output_figures
from .probe import active_units, dead_discriminator
from .weights import ema_distance, gradient_norm, non_finite, parameter_norm

__all__ = [
    "active_units",
    "chosen_over_covered",
    "dead_discriminator",
    "diversity",
    "ema_distance",
    "generator_gradient",
    "gradient_figures",
    "gradient_norm",
    "non_finite",
    "off_equilibrium",
    "output_figures",
    "over_coverage",
    "pair_figures",
    "parameter_norm",
]
