"""What the rewrites find in networks as torch's exporters write them."""

import warnings
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from onnx import version_converter
from torch import Tensor, nn

from tests.fakes.conditioned import well_conditioned
from tests.fakes.onnx_text import apply, operators
from topformer_cli.deploy.from_onnx import load_unchanged
from topformer_cli.deploy.onnx_graph import compute_graph, noise_for
from topformer_cli.deploy.passes import TNN_PASSES, Rewritten, rewrite
from topformer_cli.deploy.to_onnx import OPSET, export_onnx
from topformer_cli.models.build import build_model
from topformer_cli.models.inference import fix_input_size
from topformer_cli.models.spec import Fuse, ModelSpec, SizeName

CLASSES = tuple(f"class {i}" for i in range(11))


class Official(nn.Module):
    """Attention as the authors write it, and operators that exporters take apart."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key = nn.Conv2d(4, 8, 1), nn.Conv2d(4, 8, 1)
        self.value = nn.Conv2d(4, 16, 1)
        self.norm = nn.LayerNorm(8)
        self.classify = nn.Conv2d(16, 5, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map [1, 4, 6, 8] to logits [1, 5, 6, 8]."""
        query = self.query(x).reshape(1, 2, 4, 48).permute(0, 1, 3, 2)
        key = self.key(x).reshape(1, 2, 4, 48)
        value = self.value(x).reshape(1, 2, 8, 48).permute(0, 1, 3, 2)
        attention = torch.matmul(query, key).softmax(-1)
        y = torch.matmul(attention, value).permute(0, 1, 3, 2).reshape(1, 16, 6, 8)
        y = F.hardswish(y) + y * F.relu6(y + 3) / 6 + y * F.hardsigmoid(y)
        logits: Tensor = self.classify(self.norm(F.gelu(y)) / 4 + 1)
        return logits


def found(done: Rewritten) -> dict[str, int]:
    return {step.name: len(step.outcome.matched) for step in done.steps if step.outcome.matched}


@pytest.mark.parametrize(("dynamo", "opset"), [(True, 20), (False, 11), (False, 13), (False, 17)])
def test_both_exporters_lead_to_the_same_graph(dynamo: bool, opset: int, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network, path = Official().eval(), tmp_path / "official.onnx"
    example = torch.randn(1, 4, 6, 8)
    if dynamo:
        export_onnx(network, example, path, metadata={})
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the old exporter warns of its age
            torch.onnx.export(network, (example,), path, dynamo=False, opset_version=opset)
    proto = version_converter.convert_version(onnx.load(path), OPSET)
    done = apply(ir.from_proto(proto), *TNN_PASSES, tolerance=1e-5)
    assert operators(done.model) == {
        "Conv": 4, "Reshape": 4, "Transpose": 1, "MatMul": 2, "Softmax": 1,
        "HardSwish": 3, "Add": 2, "Gelu": 1, "LayerNormalization": 1,
    }  # fmt: skip
    assert {"one-permute-attention": 1, "fold-scale": 2, "pad-classes": 1}.items() <= found(
        done
    ).items()
    (logits,) = compute_graph(done.model, noise_for(done.model)).values()
    assert logits.shape == (1, 8, 6, 8)


@pytest.mark.parametrize(
    ("size", "fuse", "wanted"),
    [
        ("tiny", "depthwise", {"fold-depthwise-fuse": 1, "gate-by-relu6": 3, "pad-classes": 1}),
        ("small", "full", {"gate-by-relu6": 3, "pad-classes": 1}),
    ],
)
def test_what_topformer_has_for_them(
    size: SizeName, fuse: Fuse, wanted: dict[str, int], tmp_path: Path
) -> None:
    spec = ModelSpec(
        size=size,
        fuse=fuse,
        classes=CLASSES,
        palette=((0, 0, 0),) * len(CLASSES),
        input_size=(96, 160),
        dataset="random",
    )
    network = fix_input_size(well_conditioned(build_model(spec)), 96, 160)
    export_onnx(network, torch.randn(1, 3, 96, 160), tmp_path / "net.onnx", metadata={})
    before = load_unchanged(tmp_path / "net.onnx")
    done = rewrite(before)
    assert found(done) == wanted
    assert done.padded == {"logits": 11}
    assert max(step.difference for step in done.steps) < 1e-5
    assert [refusal for step in done.steps for refusal in step.outcome.refused] == []
    feeds = noise_for(before)
    logits = compute_graph(before, feeds)["logits"]
    padded = compute_graph(done.model, feeds)["logits"]
    np.testing.assert_array_equal(padded.argmax(axis=1), logits.argmax(axis=1))
    assert rewrite(done.model).changed == []
