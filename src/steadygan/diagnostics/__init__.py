"""Why training fails: the gradients that G receives, whether D is dead, and other indicators."""

from ..metrics.coverage import chosen_over_covered, over_coverage
from .gradients import generator_gradient, gradient_figures
from .norms import ema_distance, gradient_norm, non_finite, parameter_norm
from .outputs import off_equilibrium, output_figures
from .units import active_units, dead_discriminator
from .yardstick import diversity, pair_figures

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
