"""Feature networks: frozen networks that turn images into vectors and class logits."""

from .classifiers import CifarNetwork, DigitNetwork, folded
from .inception import InceptionFeatures
from .network import FEATURES, FeatureNetwork, Features, extract
from .packaged import CIFAR, DIGITS, PackagedFeatures, PackagedNetwork
from .user import UserFeatures, user_features

__all__ = [
    "CIFAR",
    "DIGITS",
    "FEATURES",
    "CifarNetwork",
    "DigitNetwork",
    "FeatureNetwork",
    "Features",
    "InceptionFeatures",
    "PackagedFeatures",
    "PackagedNetwork",
    "UserFeatures",
    "extract",
    "folded",
    "user_features",
]
