"""What each chart shows, in one sentence for a reader who sees its figure for the first time."""

from __future__ import annotations

from ..quantities import CLASS

CAPTIONS = {
    "modes": "How many of the data's modes the samples reach: near 0 nothing is learnt, a drop means modes are lost.",
    "high_quality": "Share of the samples that lie close to a mode, within three of its standard deviations.",
    "emptiest_mode": "How many samples the least served mode gets, as a share of an even split.",
    "mode_kl": "How far the samples' split over the modes is from the data's; 0 is the same split.",
    "veegan_modes": "Modes by the older protocol: one sample of 2,500 is enough.",
    "veegan_high_quality": "Share of the first 2,500 samples that lie close to a mode, by the older protocol.",
    "confidence": "How sure the judging network is of each sample's class, on average.",
    "balance": "How evenly the samples fall on real ones; 1 is as even as new real data, near 0 all fall on a few.",
    "optimum_distance": "How far D's outputs are from those of the best possible D, which is known here.",
    "energy_distance": "How far the distribution of the samples is from the data's; lower is closer.",
    "class_score": "High when each sample clearly belongs to a class and all classes occur.",
    "class_score_std": "How much the class score differs between ten parts of the samples.",
    "inception_score": "High when Inception is sure of each image's class and all classes occur.",
    "inception_score_std": "How much the Inception Score differs between ten parts of the samples.",
    "frechet": "Distance of the samples' features from the data's, both modelled as Gaussians; lower is closer.",
    "fid": "Distance of the samples' Inception features from the data's, both as Gaussians; lower is closer.",
    "kernel_distance": "Unbiased distance between the two sets of features, by a cubic kernel; lower is closer.",
    "kernel_distance_std": "How much the kernel distance differs between subsets.",
    "kid": "Unbiased distance between the two sets of Inception features, by a cubic kernel; lower is closer.",
    "kid_std": "How much KID differs between subsets.",
    "precision": "Share of the samples that lie among real data: how good they are.",
    "recall": "Share of real data that lie among the samples: how much of the data is covered.",
    "density": "How densely real data fill the places where samples lie; 1 is as dense as for real data.",
    "coverage": "Share of real samples that have a generated one nearby.",
    "support": "Roughly how many different samples G can make, estimated from how often two are alike.",
    "memorised": "Share of samples nearer to a training sample than nearly all held-out ones are; 1 % is normal.",
    "nearer_than_held_out": "Chance that a sample is nearer to training data than a held-out one; above 1/2, G copies.",
    "d_loss": "What D minimises, without penalties: well below its equilibrium, D tells the sides apart easily.",
    "g_loss": "What G minimises: well above its equilibrium, G is losing to D.",
    "d_loss_std": "How much D's loss varied since the previous record; a jump is a sign of instability.",
    "g_loss_std": "How much G's loss varied since the previous record; a jump is a sign of instability.",
    "d_off": "How far D's loss is from its equilibrium, as a share of it; near -1, D has won.",
    "g_off": "How far G's loss is from its equilibrium, as a share of it; when it rises, G is losing.",
    "gradient_mean": "How strongly D pulls at a sample, on average: at 0, G learns nothing; growth is an explosion.",
    "gradient_max": "The strongest pull at one sample: before a collapse it climbs away from the mean.",
    "gradient_max_over_mean": "The strongest pull over the mean one; when large, few samples decide.",
    "gradient_top1_share": "Share of the total pull that goes to the top 1 % of samples; 1 % is even.",
    "d_gradient_mean": "How steep D is where samples lie, on average; near 0, D is flat and teaches nothing.",
    "d_gradient_max": "How steep D is at the sample where it is steepest.",
    "steepness": "How much D would change over the data if it were as steep as at the samples; above 10, it explodes.",
    "slope_to_scale": "D's slope at the samples over that between reals: 1 for a linear D, large where it over-fits.",
    "adv_share": "How much of the gradient of G's last layer comes from D; below 1 %, D does not count.",
    "adv_agreement": "Whether D and G's other terms agree: 1 is the same direction, below 0 they are opposed.",
    "gradient_norm_g": "Size of the gradient of G's weights; 0 means that G learns nothing.",
    "gradient_norm_d": "Size of the gradient of D's weights; 0 means that D learns nothing.",
    "quality": "How good G's samples are, as a share: 1 is as good as real data, 0 no better than the data's mean.",
    "average_quality": "How good the samples of the average of G's weights are, as a share: 1 is as good as real data.",
    "quality_error": "How much the quality varies by chance alone.",
    "average_quality_error": "How much the average's quality varies by chance alone.",
    "served": "How much of the data, in modes, classes or clusters, gets its share of the samples.",
    "average_served": "How much of the data gets its share of the samples of the average of G's weights.",
    "covered": "Share of real samples with a generated one nearby, compared with new real data.",
    "average_covered": "The same for samples of the average of G's weights.",
    "class_agreement": "Share of the samples that look like the requested class.",
    "batch_distance": "How far samples are from the data; 0 is as near as other real data, above 0.6 is nowhere near.",
    "batch_balance": "How evenly samples fall on a fixed set of real ones; at 1/2, half are left out.",
    "batch_coverage": "Share of a fixed set of real samples that have a generated one nearby.",
    "balance_tv": "Share of the samples that would have to move to be spread as evenly as the data.",
    "close_pairs": "Samples that lie on a real one, where gradients explode; compare it with its initial value.",
    "most_on_one_real": "The most samples that lie on one and the same real one.",
    "nearest_share": "Largest share of samples with the same nearest real one; near 1, all are in one place.",
    "detail": "How much fine detail samples have, relative to real ones: below 1 they are smooth, above 1 noisy.",
    "average_detail": "How much fine detail the samples of the average of G's weights have, relative to real ones.",
    "paired_distance": "How far samples are from the real ones they are made from; 1 is as far as from any other.",
    "paired_match": "Near 1, samples are no nearer to the real ones they are made from than to any other.",
    "paired_distance_d": "The same in D's last hidden layer.",
    "duplicates": "Share of the samples with a near duplicate among the others; when it rises, G repeats itself.",
    "over_coverage": "Below 0, D rates places with too many samples low; above 0, it makes over-coverage worse.",
    "diversity": "How far apart samples lie, relative to real ones; near 0 all are equal, far above 1 G is driven out.",
    "feature_diversity": "How far apart samples lie in D's last hidden layer; near 0, D no longer sees a difference.",
    "accuracy_real": "Share of the training samples that D takes for real; one half at equilibrium.",
    "accuracy_held_out": "Share of held-out reals that D takes for real; if much lower, D has memorised its own.",
    "accuracy_fake": "Share of the generated samples that D takes for fake; one half at equilibrium.",
    "overfitting_gap": "How much higher D rates training samples than held-out ones; if it grows, D memorises them.",
    "logit_gap": "How much higher D rates real samples than generated ones; growth without bound is bad.",
    "separation": "How much higher D rates real samples, relative to its outputs' spread; above 3, D errs rarely.",
    "saturation": "Share of D's outputs so extreme that they hardly teach G anything.",
    "dead_units": "Share of D's hidden units that give the same output for everything; near 1, D is dead.",
    "ema_distance": "How far the average of G's weights is from G; if it grows, the average cannot keep up.",
    "weight_norm_g": "Norm of all weights of G: a jump, or growth without bound, is a bad sign.",
    "weight_norm_d": "Norm of all weights of D: with growth without bound, D becomes steep by scale alone.",
    "non_finite": "How many values of samples, logits or gradients were not finite; above 0, the run has failed.",
}


def caption(key: str) -> str:
    """A sentence about what a figure's chart shows."""
    if key in CAPTIONS:
        return CAPTIONS[key]
    if CLASS.fullmatch(key):
        return f"Share of the samples that the judging network assigns to class {key.removeprefix('class_')}."
    if key.startswith("penalty"):
        return "A penalty on D, with its weight, averaged since the previous record."
    if key.startswith("loss/") or "/" in key:
        return "A term of the objective, with its weight, averaged since the previous record."
    return "A number that the run itself recorded."
