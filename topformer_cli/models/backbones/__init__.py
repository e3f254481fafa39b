"""RetinaNet by backbone; a new one is a module here, a line in DETECTORS, and its name in the spec.

This package imports torchvision, which takes seconds: import it where a network is really built.
"""

from collections.abc import Callable, Mapping
from typing import Final

from torch import nn

from topformer_cli.models.backbones import mobilenetv3, shufflenetv2, topformer
from topformer_cli.models.baselines.classifiers import CLASSIFIERS as OF_BASELINES
from topformer_cli.models.detector import RetinaNet
from topformer_cli.models.spec import ModelSpec, Norm

DETECTORS: Final[Mapping[str, Callable[[ModelSpec, float, Norm], RetinaNet]]] = {
    "topformer": topformer.detector,
    "shufflenetv2": shufflenetv2.detector,
    "mobilenetv3": mobilenetv3.detector,
}
"""Backbone -> the function that builds its RetinaNet from card, drop-path rate and norm."""

CLASSIFIERS: Final[Mapping[str, Callable[[int], nn.Module]]] = {
    "shufflenetv2": shufflenetv2.classifier,
    "mobilenetv3": mobilenetv3.classifier,
    **OF_BASELINES,
}
"""Backbone of another library -> the function that builds its classifier of so many classes."""
