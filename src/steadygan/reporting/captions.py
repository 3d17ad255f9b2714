"""What each chart shows, in a sentence for a reader who meets its figure for the first time."""

from __future__ import annotations

from ..quantities import CLASS

CAPTIONS = {
    "modes": "How many of the data's modes the samples reach: near 0 nothing is learnt, a fall means modes are lost.",
    "high_quality": "Share of the samples that lie close to a mode, within three of its standard deviations.",
    "emptiest_mode": "How many samples the mode that is served worst gets, as a share of an even split.",
    "mode_kl": "How far the samples' split over the modes is from the data's; 0 is the same split.",
    "veegan_modes": "Modes by the older protocol: one sample of 2,500 is enough.",
    "veegan_high_quality": "Share of the first 2,500 samples that lie close to a mode, by the older protocol.",
    "confidence": "How sure the judging network is of each sample's class, on average.",
    "balance": "How evenly the samples fall on real ones; 1 is as even as new real data, near 0 all fall on a few.",
    "optimum_distance": "How far D's answers are from those of the best possible D, which is known here.",
    "energy_distance": "How far the distribution of the samples is from the data's; lower is closer.",
    "class_score": "Large where samples are clearly of some class and all classes occur.",
    "class_score_std": "How much the class score differs between ten parts of the samples.",
    "inception_score": "Large where Inception is sure of each image and all its classes occur.",
    "inception_score_std": "How much the Inception Score differs between ten parts of the samples.",
    "frechet": "Distance of the samples' features from the data's, both taken as Gaussians; lower is closer.",
    "fid": "Distance of the samples' Inception features from the data's, both taken as Gaussians; lower is closer.",
    "kernel_distance": "Distance of the two sets of features by a cubic kernel, without bias; lower is closer.",
    "kernel_distance_std": "How much the kernel distance differs between subsets.",
    "kid": "Distance of the two sets of Inception features by a cubic kernel, without bias; lower is closer.",
    "kid_std": "How much KID differs between subsets.",
    "precision": "Share of the samples that lie among real data: how good they are.",
    "recall": "Share of real data that lie among the samples: how much of the data is covered.",
    "density": "How crowded the places are, in real data, where the samples lie; 1 is as crowded as real data's own.",
    "coverage": "Share of real samples that have a generated one nearby.",
    "support": "About how many different samples G can make, from how often two of them are alike.",
    "memorised": "Share of samples nearer to a training sample than nearly all held-out ones; 1 % is usual.",
    "nearer_than_held_out": "Chance of a sample to be nearer to training data than a held-out one; above 1/2 G copies.",
    "d_loss": "What D minimises, penalties left out: well below its equilibrium D tells the sides apart with ease.",
    "g_loss": "What G minimises: well above its equilibrium G is losing to D.",
    "d_loss_std": "How much D's loss went up and down since the record before; a jump is a sign of unrest.",
    "g_loss_std": "How much G's loss went up and down since the record before; a jump is a sign of unrest.",
    "d_off": "How far D's loss is from its equilibrium, as a share of it; towards -1 D has won.",
    "g_off": "How far G's loss is from its equilibrium, as a share of it; rising, G is losing.",
    "gradient_mean": "How strongly D pulls at a sample, on average: 0 teaches nothing, without end it explodes.",
    "gradient_max": "The strongest pull at one sample: it climbs away from the mean before a collapse.",
    "gradient_max_over_mean": "How much stronger the strongest pull is than the usual one; large, few samples decide.",
    "gradient_top1_share": "Share of all pull that one sample in a hundred gets; 1 % is even.",
    "d_gradient_mean": "How steep D is where samples lie, on average; near 0 D is flat and teaches nothing.",
    "d_gradient_max": "How steep D is where it is steepest.",
    "steepness": "By how much D would differ over the data, were it as steep as at the samples; above 10 it explodes.",
    "gradient_norm_g": "Size of the step that G is asked for; 0 means that it learns nothing.",
    "gradient_norm_d": "Size of the step that D is asked for; 0 means that it learns nothing.",
    "quality": "How good the samples of G are, as a share: 1 is as real data, 0 knows nothing but the data's middle.",
    "average_quality": "How good the samples of the average of G's weights are, as a share: 1 is as real data.",
    "quality_error": "How much the quality is off by chance alone, about.",
    "average_quality_error": "How much the average's quality is off by chance alone, about.",
    "served": "How much of the data, in modes, classes or clusters, gets its share of the samples.",
    "average_served": "How much of the data gets its share of the samples of the average of G's weights.",
    "covered": "How many real samples have a generated one nearby, beside new real data.",
    "average_covered": "How many real samples have one of the average of G's weights nearby, beside new real data.",
    "class_agreement": "Share of the samples that look like the class they were asked for.",
    "batch_distance": "How far the samples are from the data; 0 is as near as other real data, above 0.6 nowhere near.",
    "batch_balance": "How evenly the samples fall on the places of the same real ones; 1/2, half are left out.",
    "batch_coverage": "Share of the same real samples that have a generated one nearby.",
    "balance_tv": "How much of the samples would have to move to another place to be as even as the data.",
    "close_pairs": "Samples that sit on a real one, where gradients explode; read it beside its own beginning.",
    "most_on_one_real": "The most samples that sit on one and the same real one.",
    "nearest_share": "Share of the samples that share their nearest real one; near 1 all are in one place.",
    "duplicates": "Share of the samples that have a near twin among the others: rising, G repeats itself.",
    "over_coverage": "Whether D rates places low that get too many samples, below 0, or makes it worse, above.",
    "diversity": "How far samples lie apart, beside real ones; near 0 all are the same, far above 1 G is driven out.",
    "feature_diversity": "How far samples lie apart in D's last hidden layer; near 0 D no longer sees a difference.",
    "accuracy_real": "Share of the training samples that D takes for real; at equilibrium a half.",
    "accuracy_held_out": "Share of new real samples that D takes for real; much lower, it has memorised its own.",
    "accuracy_fake": "Share of the generated samples that D takes for fake; at equilibrium a half.",
    "overfitting_gap": "How much higher D rates its training samples than new ones; growing, it has memorised them.",
    "logit_gap": "How much higher D rates real samples than generated ones; growing without end, D runs away.",
    "separation": "How much higher D rates real samples, beside how much its ratings differ; above 3 few are mistaken.",
    "saturation": "Share of D's answers so far out that they hardly teach any more.",
    "dead_units": "Share of D's hidden units that say the same of everything; near 1 D is dead.",
    "ema_distance": "How far the average of G's weights is from G; growing, G moves faster than its average follows.",
    "weight_norm_g": "Size of all weights of G together: a jump, or growth without end, is a bad sign.",
    "weight_norm_d": "Size of all weights of D together: growth without end, D sharpens itself by scale.",
    "non_finite": "How many values of samples, logits or gradients were no finite numbers; above 0 is the end.",
}


def caption(key: str) -> str:
    """What the chart of a figure shows."""
    if key in CAPTIONS:
        return CAPTIONS[key]
    if CLASS.fullmatch(key):
        return f"Share of the samples that the judging network takes for class {key.removeprefix('class_')}."
    if key.startswith("penalty"):
        return "A penalty on D as the run weighed it, on average since the record before."
    if key.startswith("loss/") or "/" in key:
        return "A term of the objective as the run weighed it, on average since the record before."
    return "A number of the run's own, as it was recorded."
