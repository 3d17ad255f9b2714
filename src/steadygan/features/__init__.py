"""What images are measured with: frozen networks that make vectors and class logits of them."""

from .digits import DigitFeatures, DigitNetwork, digit_card, folded, load_digit_network
from .inception import InceptionFeatures
from .network import FEATURES, FeatureNetwork, Features, extract
from .user import UserFeatures, user_features

__all__ = [
    "FEATURES",
    "DigitFeatures",
    "DigitNetwork",
    "FeatureNetwork",
    "Features",
    "InceptionFeatures",
    "UserFeatures",
    "digit_card",
    "extract",
    "folded",
    "load_digit_network",
    "user_features",
]
