"""Every size of TopFormer, with pooling that divides and that does not, becomes verified files."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from topformer_cli.deploy.artifact import load_artifact
from topformer_cli.deploy.export import ExportRequest, export
from topformer_cli.deploy.predictors import open_predictor
from topformer_cli.deploy.tnn.proto import read_proto
from topformer_cli.models.blocks import Attention
from topformer_cli.models.build import build_model
from topformer_cli.models.inference import fix_input_size
from topformer_cli.models.spec import SIZES, ModelSpec, SizeName
from topformer_cli.models.topformer import TopFormer

CLASSES = tuple(f"class {i}" for i in range(11))


def well_conditioned(spec: ModelSpec) -> TopFormer:
    """Random weights with which attention, which is unscaled, does not turn chaotic."""
    torch.manual_seed(1)
    network = build_model(spec)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.8, 1.2)
            nn.init.uniform_(module.bias, -0.3, 0.3)
            module.momentum = None
    with torch.no_grad():
        network.train()(torch.randn(2, 3, 128, 128))
        for module in network.modules():
            if isinstance(module, Attention):
                for norm in (module.query.bn, module.key.bn):
                    norm.weight.mul_(0.2)
                    norm.bias.mul_(0.2)
    return network.eval()


@pytest.mark.parametrize(
    ("size", "height", "width"),
    [
        ("tiny", 96, 160),
        ("small", 96, 160),
        ("base", 96, 160),
        ("tiny", 128, 192),
        ("tiny", 480, 480),
    ],
)
def test_a_size_is_exported(size: SizeName, height: int, width: int, tmp_path: Path) -> None:
    spec = ModelSpec(
        size=size,
        fuse=SIZES[size].fuse,
        classes=CLASSES,
        palette=((0, 0, 0),) * len(CLASSES),
        input_size=(height, width),
        dataset="random",
    )
    network = well_conditioned(spec)
    images = np.random.default_rng(2).standard_normal((1, 3, height, width), np.float32)
    with torch.inference_mode():
        reference = network(torch.from_numpy(images)).numpy()
    request = ExportRequest(
        name=f"topformer-{size}",
        output_dir=tmp_path,
        input_hw=(height, width),
        images=images,
        reference=reference,
    )
    fixed = fix_input_size(network, height, width)
    made = export(fixed, spec.to_json(), request).artifact
    assert load_artifact(made.tnnproto) == made
    assert ModelSpec.from_json(made.card, "manifest") == spec
    assert made.manifest.output.shape == (1, len(CLASSES), height // 8, width // 8)
    assert all(parity.labels_equal == 1 for parity in made.manifest.parity.values())
    assert open_predictor(made, "tnn")(images).shape == reference.shape
    assert made.manifest.output.tnn_channels == 16
    layers = [layer.record.TYPE for layer in read_proto(made.tnnproto).layers]
    uneven = height % 64 != 0
    assert layers.count("MatMul") >= (8 + 6 if uneven else 8)
    assert layers.count("Pooling") == (0 if height == 96 else 1 if uneven else 4)
    # The depthwise fuse convolution of tiny is gone, into which its ReLU was put.
    assert layers.count("ReLU") == (size == "tiny")
    assert len(layers) <= 155
