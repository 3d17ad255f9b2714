"""Numbers that several rooms judge by; no torch here, so that every room may ask."""

DEAD_GRADIENT = 1e-8  # mean ||grad_y d(y)|| below which a discriminator teaches nothing
