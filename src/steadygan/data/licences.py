"""Whose the data are: for each set that can be named, what it is and the licence that its authors state."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Licence:
    """One data set: its name here, what it is, its licence in its authors' words, where it is found, what to cite."""

    name: str
    what: str
    licence: str
    source: str
    key: str  # in REFERENCES.bib


NONE_STATED = "no licence stated by its authors, who ask to be cited"
RESEARCH = "non-commercial research and educational use, by agreement with its authors"
OURS = "none needed: numbers drawn by the package"
PACKAGE = "the package"

_RECORDS = (
    Licence(
        "digits",
        "1,797 handwritten digits of 8 x 8 grey pixels (scikit-learn's copy)",
        "CC BY 4.0 (UCI Machine Learning Repository, Optical Recognition of Handwritten Digits)",
        "https://archive.ics.uci.edu/dataset/80/optical+recognition+of+handwritten+digits",
        "alpaydin1998",
    ),
    Licence(
        "mnist",
        "60,000 + 10,000 handwritten digits of 28 x 28 grey pixels",
        "CC BY-SA 3.0 (copyright Yann LeCun and Corinna Cortes, as the Keras documentation passes it on)",
        "http://yann.lecun.com/exdb/mnist/",
        "lecun1998",
    ),
    Licence(
        "stacked_mnist",
        "three digits of MNIST as the channels of one image, 1,000 modes",
        "that of MNIST, from whose images it is made: CC BY-SA 3.0",
        "made from MNIST by the package",
        "srivastava2017",
    ),
    Licence(
        "cifar10",
        "50,000 + 10,000 photographs of 32 x 32 pixels in 10 classes",
        NONE_STATED,
        "https://www.cs.toronto.edu/~kriz/cifar.html",
        "krizhevsky2009",
    ),
    Licence(
        "cifar100",
        "50,000 + 10,000 photographs of 32 x 32 pixels in 100 classes",
        NONE_STATED,
        "https://www.cs.toronto.edu/~kriz/cifar.html",
        "krizhevsky2009",
    ),
    Licence(
        "tiny_imagenet",
        "100,000 + 10,000 labelled photographs of 64 x 64 pixels in 200 classes, as a folder of your own",
        f"that of ImageNet, of which it is a part: {RESEARCH}",
        "http://cs231n.stanford.edu/tiny-imagenet-200.zip",
        "deng2009",
    ),
    Licence(
        "imagenet",
        "1,281,167 + 50,000 photographs in 1,000 classes (ILSVRC 2012), as a folder of your own",
        RESEARCH,
        "https://www.image-net.org/download.php",
        "deng2009",
    ),
    Licence("gaussian", "a Gaussian in the plane", OURS, PACKAGE, "tao2020"),
    Licence("ring8", "8 Gaussians on a circle", OURS, PACKAGE, "tao2020"),
    Licence("grid25", "25 Gaussians on a grid", OURS, PACKAGE, "tao2020"),
    Licence("swissroll", "the rolled strip seen from its side", OURS, PACKAGE, "tao2020"),
    Licence("two_gaussians", "two overlapping Gaussians, a real and a fake one", OURS, PACKAGE, "thanhtung2019"),
)

LICENCES: dict[str, Licence] = {record.name: record for record in _RECORDS}
