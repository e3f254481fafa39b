"""The encoders of the baselines: library networks without what only classification needs.

An encoder maps images [B, 3, H, W] to its maps, finest first; `channels` are theirs. Parts are
called as in their library, `features` left out. torchvision's are here for everyone, the others
with the extra `[baselines]`; those that no library has are modules beside this one. Imports are
inside functions: each library takes seconds.
"""

import contextlib
import importlib
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final

from torch import Tensor, nn

from topformer_cli.errors import UsageError
from topformer_cli.models.baselines.encoder import Encoder

REMEDY: Final = "pip install 'topformer-cli[baselines]'"


class Chain(Encoder):
    """Parts one after another; the maps after some of them are the encoder's."""

    def __init__(self, parts: Iterable[tuple[str, nn.Module]], taps: Mapping[str, int]) -> None:
        super().__init__()
        self.taps = tuple(taps)
        self.channels = tuple(taps.values())
        for name, part in parts:
            self.add_module(name, part)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Map images to the maps after the tapped parts."""
        found = []
        x = images
        for name, part in self.named_children():
            x = part(x)
            if name in self.taps:
                found.append(x)
        return found


def end_at_stride(parts: Sequence[nn.Module], stride: int) -> None:
    """Turn the halvings beyond a stride into dilations, in place, as for all of DeepLab's kind.

    A part halves the resolution once at most.
    """
    reached = dilation = 1
    for part in parts:
        convolutions = [one for one in part.modules() if isinstance(one, nn.Conv2d)]
        halves = isinstance(part, nn.MaxPool2d) or any(one.stride[0] > 1 for one in convolutions)
        if halves and reached == stride:
            dilation *= 2
            for one in convolutions:
                one.stride = (1, 1)
        elif halves:
            reached *= 2
        for one in convolutions if dilation > 1 else ():
            one.dilation = (dilation, dilation)
            one.padding = tuple(dilation * (side // 2) for side in one.kernel_size)


def _of_features(features: nn.Sequential, stride: int, taps: Mapping[int, int]) -> Chain:
    """Cut the `features` of torchvision's mobile networks after the last tap."""
    parts = list(features[: max(taps) + 1])
    end_at_stride(parts, stride)
    named = [(str(index), part) for index, part in enumerate(parts)]
    return Chain(named, {str(index): channels for index, channels in taps.items()})


def _of_parts(network: nn.Module, stride: int, taps: Mapping[str, int]) -> Chain:
    """Cut another network of torchvision after the last tap."""
    named = list(network.named_children())
    last = [name for name, _ in named].index(list(taps)[-1])
    named = named[: last + 1]
    end_at_stride([part for _, part in named], stride)
    return Chain(named, taps)


def _mobilenetv2(stride: int, drop_path: float) -> Encoder:  # noqa: ARG001
    from torchvision.models import mobilenet_v2

    return _of_features(mobilenet_v2().features, stride, {3: 24, 6: 32, 13: 96, 17: 320})


def _mobilenetv3(stride: int, drop_path: float) -> Encoder:  # noqa: ARG001
    from torchvision.models import mobilenet_v3_large

    return _of_features(mobilenet_v3_large().features, stride, {3: 24, 6: 40, 12: 112, 16: 960})


def _mobilenetv3_reduced(stride: int, drop_path: float) -> Encoder:  # noqa: ARG001
    """Halve all layers of the last stage.

    torchvision's `reduced_tail` leaves the expansion of its first block, mmsegmentation's
    `reduction_factor` the last convolution: either way the parameters are more than the paper's.
    """
    from torchvision.models import mobilenet_v3_large
    from torchvision.models.mobilenetv3 import InvertedResidual, InvertedResidualConfig

    features = mobilenet_v3_large(reduced_tail=True).features
    row = InvertedResidualConfig(112, 5, 336, 80, True, "HS", 2, 1, 1.0)
    features[13] = InvertedResidual(row, _norm_of(features))
    return _of_features(features, stride, {3: 24, 6: 40, 12: 112, 16: 480})


def _norm_of(features: nn.Sequential) -> Callable[[int], nn.Module]:
    """Return what makes batch normalisation with the settings of a network's own."""
    own = next(one for one in features.modules() if isinstance(one, nn.BatchNorm2d))
    return lambda channels: nn.BatchNorm2d(channels, eps=own.eps, momentum=own.momentum)


def _efficientnet(stride: int, drop_path: float) -> Encoder:
    from torchvision.models import efficientnet_b0

    features = efficientnet_b0(stochastic_depth_prob=drop_path).features
    return _of_features(features, stride, {2: 24, 3: 40, 5: 112, 7: 320})


def _shufflenetv2(stride: int, drop_path: float) -> Encoder:  # noqa: ARG001
    from torchvision.models import shufflenet_v2_x1_5

    taps = {"maxpool": 24, "stage2": 176, "stage3": 352, "stage4": 704}
    return _of_parts(shufflenet_v2_x1_5(), stride, taps)


def resnet18_v1c(classes: int = 1000) -> nn.Module:
    """Build ResNet18 with three 3x3 convolutions at its beginning, as mmsegmentation's (V1c) has.

    They are called as in torchvision, whose one convolution they stand for.
    """
    from torchvision.models import resnet18
    from torchvision.ops.misc import Conv2dNormActivation as ConvBNReLU

    network = resnet18(num_classes=classes)
    network.conv1 = nn.Sequential(
        ConvBNReLU(3, 32, 3, 2), ConvBNReLU(32, 32, 3), nn.Conv2d(32, 64, 3, padding=1, bias=False)
    )
    return network


def _resnet18(stride: int, drop_path: float) -> Encoder:  # noqa: ARG001
    taps = {"layer1": 64, "layer2": 128, "layer3": 256, "layer4": 512}
    return _of_parts(resnet18_v1c(), stride, taps)


class HighResolution(Encoder):
    """timm's HRNet-W18-Small, the second of its two, which mmsegmentation's is."""

    def __init__(self) -> None:
        super().__init__()
        self.channels = (18, 36, 72, 144)
        self.network = library("timm").create_model(
            "hrnet_w18_small_v2", features_only=True, feature_location="", out_indices=(1, 2, 3, 4)
        )

    def forward(self, images: Tensor) -> list[Tensor]:
        """Map images to maps at 1/4, 1/8, 1/16 and 1/32."""
        found: list[Tensor] = self.network(images)
        return found


def _hrnet(stride: int, drop_path: float) -> Encoder:  # noqa: ARG001
    return HighResolution()


class MixTransformer(Encoder):
    """transformers' MiT-B0, the encoder of SegFormer."""

    def __init__(self, drop_path: float) -> None:
        super().__init__()
        self.network = segformer("SegformerModel", drop_path_rate=drop_path)
        self.channels = tuple(self.network.config.hidden_sizes)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Map images to maps at 1/4, 1/8, 1/16 and 1/32."""
        return list(self.network(images).hidden_states)


def segformer(kind: str, **settings: float) -> Any:  # noqa: ANN401 - a class of transformers
    """Build one of transformers' networks on MiT-B0, with settings of its own."""
    transformers = library("transformers")
    with _quiet():  # what is not asked for is not imported before
        config = transformers.SegformerConfig(
            output_hidden_states=True, attn_implementation="eager", **settings
        )
        return getattr(transformers, kind)(config)


def _mit(stride: int, drop_path: float) -> Encoder:  # noqa: ARG001
    return MixTransformer(drop_path)


def _seaformer(size: str, stride: int, drop_path: float) -> Encoder:  # noqa: ARG001
    from topformer_cli.models.baselines import seaformer

    return seaformer.SeaFormer(seaformer.SIZES[size], drop_path)


def _strideformer(size: str, stride: int, drop_path: float) -> Encoder:  # noqa: ARG001
    from topformer_cli.models.baselines import strideformer

    return strideformer.StrideFormer(strideformer.SIZES[size], drop_path)


def library(name: str) -> Any:  # noqa: ANN401 - a module
    """Import a library of the extra.

    Raises:
        UsageError: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        message = f"this network is made with {name}, which is not installed: {REMEDY}"
        raise UsageError(message) from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hold back torch's words about a torchao that transformers finds and imports."""
    logger = logging.getLogger("torch.utils._pytree")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


ENCODERS: Final[Mapping[str, Callable[[int, float], Encoder]]] = {
    "mobilenetv2": _mobilenetv2,
    "mobilenetv3-large": _mobilenetv3,
    "mobilenetv3-large-reduced": _mobilenetv3_reduced,
    "efficientnet": _efficientnet,
    "shufflenetv2-x1.5": _shufflenetv2,
    "resnet18": _resnet18,
    "hrnet-w18-small": _hrnet,
    "mit-b0": _mit,
    "seaformer-tiny": partial(_seaformer, "tiny"),
    "seaformer-small": partial(_seaformer, "small"),
    "seaformer-base": partial(_seaformer, "base"),
    "seaformer-large": partial(_seaformer, "large"),
    "strideformer-tiny": partial(_strideformer, "tiny"),
    "strideformer-base": partial(_strideformer, "base"),
}
"""Encoder -> the function that builds it for an output stride and a drop-path rate."""
