"""Networks that people put on phones, with one or two blocks of each kind they are built of."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Final

import torch
import torchvision.models as zoo
from torch import Tensor, nn
from torchvision.models._utils import IntermediateLayerGetter
from torchvision.models.efficientnet import EfficientNet, FusedMBConvConfig, MBConvConfig
from torchvision.models.mobilenetv3 import InvertedResidualConfig, MobileNetV3
from torchvision.models.segmentation.lraspp import LRASPP
from torchvision.ops import SqueezeExcitation

from tests.fakes.segformer import SegFormer

IMAGE = (1, 3, 64, 64)


def mobilenet_v2() -> nn.Module:
    blocks = [[1, 16, 1, 1], [6, 24, 2, 2], [6, 32, 1, 2]]
    return zoo.MobileNetV2(num_classes=10, inverted_residual_setting=blocks)


def _v3(*, dilation: int = 1) -> MobileNetV3:
    blocks = [
        InvertedResidualConfig(16, 3, 16, 16, True, "RE", 2, 1, 1),
        InvertedResidualConfig(16, 3, 72, 24, False, "RE", 2, 1, 1),
        InvertedResidualConfig(24, 5, 88, 24, True, "HS", 2, dilation, 1),
        InvertedResidualConfig(24, 5, 88, 24, True, "HS", 1, dilation, 1),
    ]
    return MobileNetV3(blocks, last_channel=64, num_classes=10)


def mobilenet_v3() -> nn.Module:
    return _v3()


def shufflenet_v2() -> nn.Module:
    return zoo.ShuffleNetV2([2, 2, 2], [24, 48, 96, 192, 256], num_classes=10)


def efficientnet() -> nn.Module:
    blocks = [
        FusedMBConvConfig(1, 3, 1, 32, 16, 1),
        MBConvConfig(6, 3, 2, 16, 24, 1),
        MBConvConfig(6, 5, 2, 24, 24, 2),
    ]
    return EfficientNet(blocks, dropout=0.2, last_channel=64, num_classes=10)


def efficientnet_lite() -> nn.Module:
    """Return it as EfficientNet-lite has it: ReLU6, and no squeeze and excitation."""
    return _replaced(efficientnet())


def _replaced(module: nn.Module) -> nn.Module:
    for name, child in module.named_children():
        if isinstance(child, nn.SiLU):
            setattr(module, name, nn.ReLU6())
        elif isinstance(child, SqueezeExcitation):
            setattr(module, name, nn.Identity())
        else:
            _replaced(child)
    return module


class _Logits(nn.Module):
    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: Tensor) -> Tensor:
        logits: Tensor = self.net(image)["out"]
        return logits


def lraspp() -> nn.Module:
    features = IntermediateLayerGetter(_v3(dilation=2).features, {"2": "low", "5": "high"})
    return _Logits(LRASPP(features, 24, 144, num_classes=5, inter_channels=16))


def segformer() -> nn.Module:
    return SegFormer(classes=5, depth=1, head=32)


NETWORKS: Final[dict[str, Callable[[], nn.Module]]] = {
    "mobilenet_v2": mobilenet_v2,
    "mobilenet_v3": mobilenet_v3,
    "shufflenet_v2": shufflenet_v2,
    "efficientnet": efficientnet,
    "efficientnet_lite": efficientnet_lite,
    "segformer": segformer,
    "lraspp": lraspp,
}


def build(name: str) -> nn.Module:
    """Return a network with weights and statistics that keep its values of order one."""
    torch.manual_seed(0)
    net = NETWORKS[name]().eval()
    for module in net.modules():
        if isinstance(module, nn.Linear):  # torchvision begins with outputs near zero
            nn.init.kaiming_normal_(module.weight)
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)  # type: ignore[operator, union-attr]
            module.running_var.uniform_(0.5, 1.5)  # type: ignore[operator, union-attr]
    return net


def write_onnx(net: nn.Module, path: Path, exporter: str) -> None:
    """Write a network by one of torch's exporters, named as `dynamo 20` or `legacy 11`."""
    kind, opset = exporter.split()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the older exporter says at length that it is older
        torch.onnx.export(
            net,
            (torch.zeros(IMAGE),),
            path,
            dynamo=kind == "dynamo",
            opset_version=int(opset),
            external_data=False,
            input_names=["image"],
            output_names=["y"],
            verbose=False,
        )
