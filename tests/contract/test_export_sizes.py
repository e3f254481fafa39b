"""Every size of TopFormer, with pooling that divides and that does not, becomes verified files."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.fakes.conditioned import well_conditioned
from topformer_cli.deploy.artifact import load_artifact
from topformer_cli.deploy.export import ExportRequest, export
from topformer_cli.deploy.parts import read_parts
from topformer_cli.deploy.predictors import open_predictor
from topformer_cli.deploy.tnn.proto import read_proto
from topformer_cli.models.build import build_model
from topformer_cli.models.cost import PARTS
from topformer_cli.models.inference import fix_input_size
from topformer_cli.models.spec import SIZES, ModelSpec, SizeName

CLASSES = tuple(f"class {i}" for i in range(11))


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
    torch.manual_seed(1)
    network = well_conditioned(build_model(spec))
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
    written, parts = read_proto(made.tnnproto).layers, read_parts(made.onnx)
    layers = [layer.record.TYPE for layer in written]
    order = dict.fromkeys(parts.get(layer.name) or "" for layer in written)
    assert [name for name in order if name in PARTS] == [name for name in PARTS if name != "neck"]
    assert not [layer.name for layer in written if layer.name not in parts]
    uneven = height % 64 != 0
    assert layers.count("MatMul") >= (8 + 6 if uneven else 8)
    assert layers.count("Pooling") == (0 if height == 96 else 1 if uneven else 4)
    # The depthwise fuse convolution of tiny is gone, into which its ReLU was put.
    assert layers.count("ReLU") == (size == "tiny")
    assert len(layers) <= 155
