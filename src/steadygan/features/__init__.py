"""What images are measured with: frozen networks that make vectors and class logits of them."""

from .classifiers import DigitNetwork, folded
from .inception import InceptionFeatures
from .network import FEATURES, FeatureNetwork, Features, extract
from .packaged import DIGITS, PackagedFeatures, PackagedNetwork
from .user import UserFeatures, user_features

__all__ = [
    "DIGITS",
    "FEATURES",
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
