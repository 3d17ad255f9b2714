"""Why a training goes wrong: the gradients a generator receives, and whether its discriminator lives."""

from .gradients import generator_gradient, gradient_figures
from .probe import active_units, dead_discriminator

__all__ = ["active_units", "dead_discriminator", "generator_gradient", "gradient_figures"]
