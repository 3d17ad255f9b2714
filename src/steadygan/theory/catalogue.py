"""The papers' claims, in order: every proposition, theorem, footnote and equation that is checked."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import filter as matching

from ..errors import unknown
from .statement import Statement

FARGAN = (
    Statement(
        "fargan/proposition-1",
        "A few numbers suffice to separate one close pair",
        "If overfitting sources exist, a discriminator with D(x0) - D(y0) >= epsilon on a close pair can be "
        "constructed as an MLP with O(2 dim(x)) parameters; its objective is above 2 log 1/2, and the "
        "gradient that G receives at y0 explodes as y0 approaches x0 (equations 3 and 4).",
        "tao2020, proposition 1, supplement A",
        "The construction on unit vectors in 8 dimensions, its objective by the engine's nonsaturating loss, "
        "and the slope between x0 and y0 at three distances.",
        "constructed.pair_proposition",
        "The supplement lets k1 tend to infinity and b to 1 from below, but does not say in which order. With l the "
        "largest inner product with another sample, l < b < 1, k1 (1 - b) >> 1, k1 (b - l) >> log k2 and k2 >> 1 "
        "are needed: a b that tends to 1 as fast as 1/k1 is not enough.",
        "constructed.pair_plot",
    ),
    Statement(
        "fargan/proposition-2",
        "Penalised differences weaken the gradient at a close pair",
        "At the maximum of f, s(-xi_i)(xi_0 - xi_i) falls as k rises, and rises with the number m0 of close fakes.",
        "tao2020, proposition 2, equations 6 and 7, supplement B",
        "Real samples with 1, 2, 3, 5 and 8 close fakes and a critic with a separate logit for each sample, trained "
        "by the engine under the nonsaturating loss and `close_pair_difference` until its gradient is 0, for "
        "five weights k.",
        "fargan.proposition_2",
        plots="fargan.factor_plots",
    ),
    Statement(
        "fargan/footnote-1",
        "Low logits mark over-covered places",
        "As m0 increases, xi_i decreases: so the fakes with the lowest D are those near which many fakes are.",
        "tao2020, footnote 1 of section 5.3",
        "The same critics; which fakes `FakeAsReal` counts as real, with equally many candidates near each real one.",
        "fargan.footnote_1",
    ),
    Statement(
        "fargan/proposition-3",
        "Counting fakes as real weakens it further, down to 0",
        "At the maximum of h, s(-xi_i)(xi_0 - xi_i) falls as lambda rises, and tends to 0 as lambda tends to "
        "infinity. lambda = s(-xi_0)/(n m0) [e^(2nk xi_0 - s(-xi_0)) (n m0/(m s(-xi_0)) - 1)^(2nk) - 1].",
        "tao2020, proposition 3, equations 8 and 9, supplement C",
        "As for proposition 2, with `close_pair_fake_as_real` of five weights lambda and a difference "
        "penalty of k = 0.3.",
        "fargan.proposition_3",
        "The supplement's equation 19 raises a product to 2 n k: lambda = s(-xi_0)/(n m0) [e^(xi_0 - "
        "s(-xi_0)/(2nk)) (n m0/(m s(-xi_0)) - 1) - 1]. The factor falls as 1 / (2 n k (lambda m)^2).",
    ),
    Statement(
        "fargan/equation-11",
        "The gradient penalty and its sign",
        "D maximises log D on c and log(1 - D) on fakes + k/N sum ||grad D0(c_i)||^2 over the N samples c of "
        "the real side.",
        "tao2020, equation 11",
        "d = w v under `r1` of weight 10, as a penalty and with the printed sign, trained by the engine; `r1` "
        "with `FakeAsReal` on a critic whose gradient is known.",
        "fargan.equation_11",
        "The term is subtracted from what D maximises. With the printed sign D is rewarded for steep slopes, "
        "which grow without end.",
        "fargan.sign_plot",
    ),
)
ZERO_GP = (
    Statement(
        "zero-gp/proposition-1",
        "An epsilon-optimal discriminator is easily built",
        "Given two disjoint sets and epsilon > 0, an epsilon-optimal D exists as an MLP of one hidden layer "
        "with O(dim (m + n)) parameters.",
        "thanhtung2019, proposition 1, appendix A",
        "The construction on random unit vectors and on vectors of equal inner products; the smallest k that "
        "is enough, by bisection, and the objective by the engine's nonsaturating loss.",
        "constructed.softmax_proposition",
        plots="constructed.softmax_plot",
    ),
    Statement(
        "zero-gp/proposition-2",
        "A fixed number of steps cannot keep D optimal",
        "With one learning rate and a fixed number of D steps per G step, |dL/dtheta_D| / |dL/dtheta_G| tends "
        "to 0 as fakes approach reals, and the steps that D needs to the next epsilon-optimal state go to "
        "infinity.",
        "thanhtung2019, proposition 2, appendix B",
        "A linear D and G under the Wasserstein loss, trained by the engine at four distances: gradients, the number "
        "of D steps, and the remaining distance from optimality.",
        "zero_gp.proposition_2",
        plots="zero_gp.steps_plot",
    ),
    Statement(
        "zero-gp/section-3.2",
        "Gradients must be small between samples, not at them",
        "A D can have zero gradient on the training set and equal values there, and a gradient that explodes "
        "between: penalising gradients at samples and differences of D does not prevent it. A zero gradient "
        "along the path does both.",
        "thanhtung2019, section 3.2",
        "`pair_difference`, `r1`, `r2` and `zero_gp` on a D that is flat and equal at both ends of a path, at "
        "three distances, and on linear ones.",
        "zero_gp.section_3_2",
    ),
    Statement(
        "zero-gp/section-3.4",
        "0-GP makes the Dirac-GAN converge as 0-GP-sample does",
        "The penalty has the same convergence guarantee as a zero-centred penalty on samples.",
        "thanhtung2019, section 3.4; mescheder2018",
        "The eigenvalues of the vector field at the equilibrium, from the engine's steps of D and of G, for seven "
        "losses and eight penalties.",
        "dirac.section_3_4",
    ),
    Statement(
        "zero-gp/section-3.4-rates",
        "How fast it contracts",
        "Without a penalty the generator oscillates around the equilibrium; with one it does not.",
        "thanhtung2019, section 3.4; mescheder2018",
        "The eigenvalues of one iteration of the engine, simultaneous and alternating, and runs of `Trainer` "
        "that start near (0, 0) and far away.",
        "dirac.section_3_4_rates",
        plots="dirac.portrait_plots",
    ),
    Statement(
        "zero-gp/section-3.4-others",
        "Other penalties do not make it converge",
        "Non-zero-centred penalties and clipping leave a gradient at the equilibrium, and the generator moves away.",
        "thanhtung2019, sections 3.3 and 3.4; mescheder2018",
        "D's slope next to (0, 0) under `one_gp` and `dragan`, and runs of `Trainer` with `one_gp` and with "
        "clipped weights.",
        "dirac.section_3_4_others",
    ),
    Statement(
        "zero-gp/section-3.5",
        "Equal penalties, equal gradients",
        "Among discriminators of equal penalty, D maximises the mean gradient norm, and it is largest where "
        "all norms are equal. 1-GP asks for equal | ||grad D|| - 1 |, which allows norms below 1 in some "
        "regions and above 1 in others.",
        "thanhtung2019, section 3.5",
        "D's optimum between one fake and one real sample under `zero_gp` and `one_gp`, with a separate slope on "
        "each of 16 segments; two critics of equal 1-GP; the coefficient of variation of ||grad d|| of an "
        "MLP, fakes on one mode of a ring.",
        "zero_gp.section_3_5",
        "The argument holds for 1-GP as well: at equal 1-GP, norms on both sides of 1 have a smaller mean than "
        "equal norms above 1, so its optimum is even, too. Both penalties lower the coefficient of variation.",
        "zero_gp.slopes_plot",
    ),
)
DUAL = (
    Statement(
        "dual/proposition-1",
        "The optimal discriminators",
        "Given a fixed G, D1* = p / (p + q) and D2* = q / (p + q).",
        "zhang2018, proposition 1",
        "Two critics with a separate logit for each point of a finite space, trained by the engine under the losses "
        "of equations 5 and 6 until their gradients are 0.",
        "dual.proposition_1",
        plots="dual.equilibrium_plots",
    ),
    Statement(
        "dual/theorem-2",
        "The value of equation 6",
        "J(D1*, D2*, G*) = -4 log 2, with D1* = D2* = 1/2, where q = p.",
        "zhang2018, theorem 2",
        "The objective of the same critics: -4 log 2 + 4 JS(p || q) for three q.",
        "dual.theorem_2",
    ),
    Statement(
        "dual/equation-9",
        "What G minimises against D1",
        "E_q[log(-D1*)] = E_p[log D1*] + KL(q || p) - 2 JS(p || q) + 2 log 2, whose first term does not depend on G.",
        "zhang2018, equation 9",
        "G's loss against the critics of equation 5, for two q.",
        "dual.equation_9",
        "log(-D1) is to be read as -log D1. The first term depends on q and is smallest at q = p; G's loss "
        "against both discriminators is KL(q || p) exactly.",
    ),
    Statement(
        "dual/theorem-3",
        "The value of equation 5",
        "J(D1*, D2*, G*) = 2 E_p[log D1*], with D1* = D2* = 1/2, where q = p; J = KL(q || p) + 2 E_p[log D1*] "
        "elsewhere.",
        "zhang2018, theorem 3 and equation 10",
        "All terms of J for the converged critics, for three q.",
        "dual.theorem_3",
        "This is so if the term of D2 on real samples is log(1 - D2), as in equation 6. With log(-D2) read as -log "
        "D2, as equation 5 has it, J is 0 at q = p, and D2 is not bounded.",
    ),
    Statement(
        "dual/kl-direction",
        "The divergence seeks modes",
        "Optimising equation 5 is minimising the KL divergence between q and p.",
        "zhang2018, section 2.2.2",
        "G's loss at each point with D frozen; for data with two modes, G's loss for fakes on one of them "
        "and for fakes everywhere.",
        "dual.kl_direction",
    ),
)
D2GAN = (
    Statement(
        "d2gan/optimum",
        "D2GAN's optimum",
        "D1* = alpha p / q, D2* = beta q / p; the game's value there is alpha (log alpha - 1) + beta (log "
        "beta - 1) + alpha KL(p || q) + beta KL(q || p).",
        "nguyen2017, proposition 1 and theorem 2",
        "Two critics with a separate logit for each point under `d2gan`, trained by the engine until their gradients "
        "are 0, for three q.",
        "dual.optimum",
    ),
)
CATALOGUE = (*FARGAN, *ZERO_GP, *DUAL, *D2GAN)
STATEMENTS = {each.name: each for each in CATALOGUE}


def statements(names: Sequence[str] = ()) -> list[Statement]:
    """Those with the given names: a statement, a paper (fargan) or a pattern (dual/*); all if none is given.

    Raises InputError for an unknown name.
    """
    chosen: dict[str, Statement] = {}
    for name in names or ["*"]:
        listed = matching(STATEMENTS, name) or matching(STATEMENTS, f"{name}/*")
        if not listed:
            papers = {each.partition("/")[0] for each in STATEMENTS}
            raise unknown("statement", name, [*STATEMENTS, *papers])
        chosen |= {each: STATEMENTS[each] for each in listed}
    return [*chosen.values()]
