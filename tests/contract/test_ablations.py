"""The paper's ablations: each is its base but for one line, learns as a whole, and is exported."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch

from tests.fakes import real_tnn
from tests.fakes.conditioned import well_conditioned
from topformer_cli.deploy.artifact import Artifact, load_artifact
from topformer_cli.deploy.export import ExportRequest, export
from topformer_cli.engine.tasks import sketched_spec
from topformer_cli.models.build import build_model
from topformer_cli.models.inference import fix_input_size
from topformer_cli.models.spec import SIZES, ModelSpec, SizeName
from topformer_cli.recipe import Choices, ablation_names, differences, load_recipe
from topformer_cli.sections.segmentation import SegmentationRecipe

CHANGED: dict[str, tuple[SizeName, str, Any, Any]] = {
    "table2-last-token": ("base", "model.tokens", "last", "pyramid"),
    "table3-from-quarter": ("base", "model.injected", "1/4", "1/8"),
    "table3-from-sixteenth": ("base", "model.injected", "1/16", "1/8"),
    "table4-none": ("tiny", "model.extractor", "none", "sase"),
    "table4-ffn": ("tiny", "model.extractor", "ffn", "sase"),
    "table4-psp": ("tiny", "model.extractor", "psp", "sase"),
    "table4-aspp": ("tiny", "model.extractor", "aspp", "sase"),
    "table5-attention": ("base", "model.injection", "attention", "both"),
    "table5-semantics": ("base", "model.injection", "semantics", "both"),
    "table6-concat": ("base", "model.head", "concat", "simple"),
    "table6-sum": ("base", "model.injection", "semantics", "both"),
    "table7-128": ("base", "model.width", 128, 256),
    "table7-192": ("base", "model.width", 192, 256),
    "table8-s32": ("base", "model.pooled_stride", 32, 64),
    "table8-s128": ("base", "model.pooled_stride", 128, 64),
    "fuse-depthwise": ("tiny", "model.fuse", "depthwise", "full"),
    "fuse-full": ("tiny", "model.fuse", "full", "depthwise"),
}
"""Recipe -> the size that the paper reports, the setting, its value, and the other one."""

EVERY = pytest.mark.parametrize("name", CHANGED)
CLASSES = 11


def load(name: str, size: SizeName | None = None, preset: str | None = None) -> SegmentationRecipe:
    recipe = load_recipe(name, Choices(size, preset))
    assert isinstance(recipe, SegmentationRecipe)
    return recipe


def card(recipe: SegmentationRecipe, height: int, width: int) -> ModelSpec:
    return replace(sketched_spec(recipe, CLASSES), input_size=(height, width), dataset="random")


def test_every_ablation_is_in_this_table() -> None:
    assert set(ablation_names()) == set(CHANGED)


@EVERY
def test_an_ablation_differs_from_its_base_in_one_setting(name: str) -> None:
    size, key, value, other = CHANGED[name]
    # Of the two forms of tiny's head, one recipe names each; the paper's text has the other.
    base = load("ade20k", size, "paper" if name == "fuse-depthwise" else "code")
    own = load(name, None, base.preset)
    assert own.size == size
    found = differences(own, base)
    if own.fuse is None:
        # A head without the fuse convolution leaves open which form it has.
        assert found.pop("model.fuse") == ("auto", base.fuse)
    assert found == {key: (value, other)}
    assert ModelSpec.from_json(card(own, 64, 64).to_json(), "card") == card(own, 64, 64)
    assert load(f"ablations/{name}") == load(name)
    # Under a name of its own, so that its scores are not taken for the paper's network's.
    assert (card(own, 64, 64).network == f"TopFormer-{size}") == name.startswith("fuse-")


@dataclass(frozen=True)
class Exported:
    """An export of an ablation, what it was made of, and what torch computes."""

    made: Artifact
    spec: ModelSpec
    images: np.ndarray
    reference: np.ndarray


@pytest.fixture(scope="module", params=CHANGED)
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    height, width = 96, 160
    spec = card(load(request.param, "tiny"), height, width)
    torch.manual_seed(1)
    network = well_conditioned(build_model(spec), side=256)
    images = np.random.default_rng(2).standard_normal((1, 3, height, width), np.float32)
    with torch.inference_mode():
        reference = network(torch.from_numpy(images)).numpy()
    wanted = ExportRequest(
        name=spec.short_name,
        output_dir=tmp_path_factory.mktemp(request.param),
        input_hw=(height, width),
        images=images,
        reference=reference,
    )
    made = export(fix_input_size(network, height, width), spec.to_json(), wanted).artifact
    return Exported(made, spec, images, reference)


def test_an_ablation_is_exported_and_verified(exported: Exported) -> None:
    made, spec = exported.made, exported.spec
    stride = {"1/4": 4, "1/16": 16}.get(spec.design.injected, 8)
    assert exported.reference.shape == (1, CLASSES, 96 // stride, 160 // stride)
    assert ModelSpec.from_json(load_artifact(made.tnnproto).card, "manifest") == spec
    assert {"onnx", "tnn"} <= set(made.manifest.parity)
    assert all(parity.labels_equal == 1 for parity in made.manifest.parity.values())


@real_tnn.needed
def test_the_real_tnn_computes_an_ablation(exported: Exported) -> None:
    (found,) = real_tnn.run_real_tnn(exported.made.tnnproto, exported.images.reshape(-1)).values()
    logits = found.reshape(1, -1, *exported.reference.shape[2:])[:, :CLASSES]
    bound = 1e-4 * float(np.abs(exported.reference).max())
    assert float(np.abs(logits - exported.reference).max()) < bound


@pytest.mark.parametrize("size", SIZES)
def test_an_ablation_of_one_size_is_there_for_all(size: SizeName) -> None:
    row = SIZES[size]
    own = load("table7-192", size)
    assert own.design.width == (None if size == "small" else 192)
    assert own.stands_for["model.width"] == 192
    assert load("ade20k", size).stands_for["model.width"] == row.width
