"""The classifiers whose ImageNet weights networks begin with, as one table; a new one is a row.

Plain frozen records: no torch, so that the command line can read them. What builds them is in
`classifiers`, and how other people call their tensors in `models.foreign.names`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from topformer_cli.models.baselines.table import BASELINES

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifierFile:
    """A classifier as its library publishes it.

    title: the library and its name there. marks: tensors that together only this network has, and
    their shapes. classes: the weight of the layer of its classes. encoders: those of the baselines
    that begin with it, the first with all that they have. prefix is what its tensors lose, place
    what they get, to be called as in such an encoder.
    """

    title: str
    marks: Mapping[str, Shape]
    classes: str
    encoders: tuple[str, ...] = ()
    prefix: str = ""
    place: str = ""

    def in_encoder(self, name: str) -> str:
        """Return what a tensor is called in a network with the encoder."""
        return f"encoder.{self.place}{name.removeprefix(self.prefix)}"

    @property
    def users(self) -> tuple[str, ...]:
        """The baselines that begin with it, by key."""
        whole = self.encoders[:1]
        return tuple(key for key, row in BASELINES.items() if row.encoder in whole)


CLASSIFIER_FILES: Final[Mapping[str, ClassifierFile]] = {
    "shufflenetv2": ClassifierFile(
        title="torchvision's shufflenet_v2_x1_0",
        marks={"stage4.3.branch2.5.weight": (232, 232, 1, 1)},
        classes="fc.weight",
    ),
    "mobilenetv3": ClassifierFile(
        title="torchvision's mobilenet_v3_large",
        marks={"features.15.block.3.0.weight": (160, 960, 1, 1)},
        classes="classifier.3.weight",
        encoders=("mobilenetv3-large", "mobilenetv3-large-reduced"),
        prefix="features.",
    ),
    "mobilenetv2": ClassifierFile(
        title="torchvision's mobilenet_v2",
        marks={"features.18.0.weight": (1280, 320, 1, 1)},
        classes="classifier.1.weight",
        encoders=("mobilenetv2",),
        prefix="features.",
    ),
    "efficientnet": ClassifierFile(
        title="torchvision's efficientnet_b0",
        marks={"features.8.0.weight": (1280, 320, 1, 1)},
        classes="classifier.1.weight",
        encoders=("efficientnet",),
        prefix="features.",
    ),
    "shufflenetv2-x1.5": ClassifierFile(
        title="torchvision's shufflenet_v2_x1_5",
        marks={"stage4.3.branch2.5.weight": (352, 352, 1, 1)},
        classes="fc.weight",
        encoders=("shufflenetv2-x1.5",),
    ),
    "resnet18": ClassifierFile(
        title="open-mmlab's resnet18_v1c",
        marks={"conv1.0.0.weight": (32, 3, 3, 3), "layer4.1.conv2.weight": (512, 512, 3, 3)},
        classes="fc.weight",
        encoders=("resnet18",),
    ),
    "hrnet-w18-small": ClassifierFile(
        title="timm's hrnet_w18_small_v2",
        marks={"stage4.1.branches.3.0.conv1.weight": (144, 144, 3, 3)},
        classes="classifier.weight",
        encoders=("hrnet-w18-small",),
        place="network.",
    ),
    "mit-b0": ClassifierFile(
        title="transformers' nvidia/mit-b0",
        marks={"segformer.stages.3.patch_embeddings.proj.weight": (256, 160, 3, 3)},
        classes="classifier.weight",
        encoders=("mit-b0",),
        prefix="segformer.",
        place="network.",
    ),
}
"""Backbone on a classifier's card -> its file."""

UNLIKE: Final[Mapping[str, str]] = {
    "resnet18": "torchvision's resnet18 begins with one 7x7 convolution in place of three 3x3",
    "mobilenetv3-large-reduced": (
        "nobody publishes ImageNet weights of it; of torchvision's mobilenet_v3_large "
        "--partial-weights takes all but the last stage"
    ),
}
"""Encoder -> what does not fit it, though one may think so."""
