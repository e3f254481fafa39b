"""Other networks: their cost is the one that is printed, and they can all that TopFormer can.

Those that need the extra `[baselines]` skip without it.
"""

import importlib
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from torch import nn

from tests.fakes import real_tnn
from tests.fakes.conditioned import well_conditioned
from tests.unit.engine.conftest import SHORT, Watcher, prepare_scenes
from topformer_cli.data.store import PreparedSet
from topformer_cli.deploy.artifact import load_artifact
from topformer_cli.deploy.export import ExportRequest, export
from topformer_cli.engine.feed import FeedOptions
from topformer_cli.engine.job import TrainJob
from topformer_cli.engine.optim import learning_rate_factor
from topformer_cli.engine.tasks import make_task, model_spec
from topformer_cli.engine.train import train
from topformer_cli.errors import DataError, RecipeError, UsageError
from topformer_cli.models.baselines import encoders, heads
from topformer_cli.models.baselines.files import CLASSIFIER_FILES
from topformer_cli.models.baselines.table import (
    BASELINES,
    ENCODER_NAMES,
    HEAD_NAMES,
    NOT_BUILT,
    Baseline,
    baseline_of,
)
from topformer_cli.models.build import build_model
from topformer_cli.models.checkpoint import build_from, load_checkpoint
from topformer_cli.models.cost import cost_by_part
from topformer_cli.models.inference import fix_input_size
from topformer_cli.models.spec import SIZES, ModelSpec, SizeName
from topformer_cli.models.zoo import ZOO
from topformer_cli.parity import compare, tolerance_for
from topformer_cli.recipe import Choices, baseline_names, differences, load_recipe, parse_resolved
from topformer_cli.recipe.files import recipe_path
from topformer_cli.results.printed import TABLE_1
from topformer_cli.rundir import new_run
from topformer_cli.sections.segmentation import SegmentationRecipe

STRIDES = {
    "lraspp": 8, "raspp": 16, "pspnet": 8, "fcn8s": 8, "light": 8, "pp-mobileseg-tiny": 16,
}  # fmt: skip
"""Head, or one network with it -> the stride of its logits where that is not 4."""

COUNTED: dict[str, tuple[int, int]] = {
    "lraspp-mobilenetv3-large": (3_243_468, 2_063),
    "lraspp-mobilenetv3-large-reduced": (1_527_820, 1_255),
    "segformer-mit-b0": (3_752_694, 8_387),
    "raspp-mobilenetv2": (2_146_710, 2_637),
    "liteaspp-mobilenetv2": (2_823_314, 4_232),
    "liteaspp-resnet18": (12_337_042, 19_135),
    "deeplabv3plus-mobilenetv2": (15_084_998, 25_567),
    "deeplabv3plus-efficientnet": (16_868_674, 26_747),
    "deeplabv3plus-shufflenetv2-x1.5": (16_024_678, 15_177),
    "pspnet-mobilenetv2": (13_460_886, 52_687),
    "fcn8s-mobilenetv2": (9_559_446, 39_391),
    "fcn-hrnet-w18-small": (3_974_810, 10_186),
    "seaformer-tiny": (1_667_318, 562),
    "seaformer-small": (3_990_118, 1_030),
    "seaformer-base": (8_605_654, 1_757),
    "seaformer-large": (13_951_510, 6_340),
    "pp-mobileseg-tiny": (1_492_298, 706),
    "pp-mobileseg-base": (5_943_878, 2_098),
}
"""Network -> parameters and 10^6 multiply-adds, strictly counted, at 512x512 with 150 classes."""

EVERY = pytest.mark.parametrize("name", BASELINES)
QUICK = (
    "lraspp-mobilenetv3-large", "segformer-mit-b0", "pspnet-mobilenetv2", "seaformer-tiny",
    "pp-mobileseg-tiny",
)  # fmt: skip
"""What is exported in every run of the tests."""

SIDES = [(name, (96, 96)) for name in BASELINES]
SIDES += [
    (f"{name}-tiny", sides)
    for name in ("seaformer", "pp-mobileseg")
    for sides in ((384, 640), (448, 448))
]
"""Network and input that is exported: of some also such as give attention maps of other sides."""


def card(row: Baseline, classes: int, side: int) -> ModelSpec:
    return ModelSpec(
        size=None,
        backbone=row.encoder,
        head=row.head,
        fuse=None,
        classes=tuple(f"class {index}" for index in range(classes)),
        palette=((0, 0, 0),) * classes,
        input_size=(side, side),
        dataset="random",
    )


def build(row: Baseline, classes: int = 11, side: int = 64) -> nn.Module:
    pytest.importorskip(row.library)
    return build_model(card(row, classes, side))


def off(ours: float, printed: float, half: float = 0.05) -> float:
    """How far a figure is from all that a printed one may stand for, as a share.

    half: of its last decimal.
    """
    return max(0.0, printed - half - ours, ours - printed - half) / printed


def values(network: nn.Module) -> float:
    """Values of a weights' file in units of 2^20: parameters, statistics of batch normalisation."""
    statistics = sum(one.numel() for one in network.buffers() if one.is_floating_point())
    return (sum(p.numel() for p in network.parameters()) + statistics) / 2**20


def test_the_table_the_parts_and_the_recipes_are_of_each_other() -> None:
    assert {row.encoder for row in BASELINES.values()} == {*ENCODER_NAMES} == {*encoders.ENCODERS}
    assert {row.head for row in BASELINES.values()} == {*HEAD_NAMES} == {*heads.HEADS}
    assert {*BASELINES} == {*baseline_names()} == {*COUNTED}
    foreign = {row.name: row for row in TABLE_1.rows if row.variant not in SIZES}
    here = {row.variant: row for row in foreign.values() if row.variant}
    papers = {key: row for key, row in BASELINES.items() if row.of_paper}
    assert {*here} == {*papers}
    assert {name for name, row in foreign.items() if not row.variant} == {*NOT_BUILT}
    assert {key: row.figures[:2] for key, row in here.items()} == {
        key: row.printed for key, row in papers.items()
    }


def test_names_and_pairs_of_parts_are_told_apart() -> None:
    rows = BASELINES.values()
    assert len({(row.head, row.encoder) for row in rows}) == len({row.name for row in rows})
    assert {baseline_of(row.head, row.encoder) for row in rows} == {*rows}
    for row in rows:
        assert (row.called == "") == row.of_paper


@EVERY
def test_parameters_and_multiply_adds_are_the_printed(name: str) -> None:
    row = BASELINES[name]
    network = build(row, classes=150)
    whole = cost_by_part(network, 512, 512)[-1]
    assert (whole.parameters, whole.multiply_adds // 10**6) == COUNTED[name]
    beside = heads.auxiliary_head(*row.auxiliary, 150) if row.auxiliary else nn.Identity()
    parameters = whole.parameters + sum(p.numel() for p in beside.parameters())
    counted = whole.multiply_adds if row.rule == "strict" else whole.by_mmcv
    if row.unit == "values":
        assert off(values(network), row.printed[0], 0.005) < 0.02
    else:
        assert off(parameters / 1e6, row.printed[0]) < 0.02
    if row.printed[1] is not None:
        assert off(counted / 1e9, row.printed[1]) < 0.02


def test_the_unit_of_paddlesegs_figures_is_that_of_its_figures_of_seaformer() -> None:
    """Of configs/pp_mobileseg/README.md: what one README prints of networks whose size is known."""
    printed = {"seaformer-tiny": 1.61, "seaformer-base": 8.27}
    assert {key: round(values(build(BASELINES[key], 150)), 2) for key in printed} == printed
    # As 10^6 parameters its own networks are not within 2 %, by whichever of its two tables.
    tiny, base = (COUNTED[f"pp-mobileseg-{size}"][0] / 1e6 for size in ("tiny", "base"))
    assert min(off(tiny, 1.44, 0.005), off(tiny, 1.61, 0.005), off(base, 5.62, 0.005)) > 0.02
    assert round(values(build(BASELINES["pp-mobileseg-base"], 150)), 2) == 5.72


@EVERY
def test_every_parameter_learns(name: str) -> None:
    torch.manual_seed(0)
    network = build(BASELINES[name])
    network(torch.randn(2, 3, 64, 64)).square().sum().backward()
    assert {key for key, p in network.named_parameters() if p.grad is None} == set()


@EVERY
def test_a_recipe_is_the_base_by_the_settings_of_its_network(name: str) -> None:
    row, own = BASELINES[name], load_recipe(name, Choices())
    assert isinstance(own, SegmentationRecipe)
    found = differences(own, load_recipe("ade20k", Choices("small")))
    assert found.pop("model.network") == (name, "topformer")
    sections = {key.partition(".")[0] for key in found}
    assert (own.size, own.variant, own.run_name) == (None, name, name)
    assert load_recipe(f"baselines/{name}", Choices()) == own
    optimizer, schedule = own.optimizer, own.schedule
    length = 80_000 if name.startswith("pp-mobileseg") else 160_000
    assert (own.dataset, schedule.iterations, own.augment.crop) == ("ade20k", length, (512, 512))
    if row.head == "segformer" or not row.of_paper:
        assert own.batch == (16 if row.of_paper else 32)
        assert sections <= {"batch", "model", "optimizer", "schedule"}
        assert (optimizer.kind, optimizer.weight_decay) == ("adamw", 0.01)
        assert optimizer.lr == 6e-5 if row.of_paper else optimizer.lr in (5e-4, 6e-4)
        assert (optimizer.head_lr_factor, optimizer.decayed) == (10, "but_norm_and_position")
        assert (schedule.warmup, schedule.power, schedule.floor) == (1500, 1.0, 0)
        return
    assert (own.batch, sections) == (32, {"batch", "model", "optimizer", "schedule"})
    assert own.model.auxiliary == (0.4 if row.auxiliary else 0)
    assert (optimizer.kind, optimizer.lr, optimizer.momentum) == ("sgd", 0.01, 0.9)
    assert (optimizer.weight_decay, optimizer.head_lr_factor) == (5e-4, 1)
    assert (schedule.warmup, schedule.power) == (0, 0.9)
    # mmsegmentation's min_lr is 1e-4.
    assert learning_rate_factor(schedule, 160_000) * optimizer.lr == pytest.approx(1e-4)


@EVERY
def test_a_recipe_says_how_to_begin(name: str) -> None:
    text = recipe_path(name).read_text().replace("\n# ", " ")
    named = re.findall(r"--weights (\S+)", text)
    users = [CLASSIFIER_FILES[ZOO[one].backbone].users for one in named]
    row = BASELINES[name]
    assert len(users) == (row.of_paper and row.encoder != "mobilenetv3-large-reduced")
    assert all(name in one for one in users)


@pytest.mark.parametrize(
    ("overrides", "size", "said"),
    [
        (("model.network=raspp-mobilnetv2",), None,
         "-o model.network: got 'raspp-mobilnetv2'; did you mean 'raspp-mobilenetv2'? expected one "
         "of topformer, lraspp-mobilenetv3-large, "),
        (("model.network=unet",), None,
         "-o model.network: got 'unet'; expected one of topformer, lraspp-mobilenetv3-large, "),
        (("model.network=pspnet-mobilenetv2", "model.tokens=last"), None,
         "-o model.tokens: got 'last'; it is TopFormer's; pspnet-mobilenetv2 has its own parts, so "
         "leave it out"),
        (("model.network=pspnet-mobilenetv2",), "tiny",
         "--size tiny: pspnet-mobilenetv2 comes in one size; drop it"),
    ],
)  # fmt: skip
def test_what_does_not_go_with_a_network(
    overrides: tuple[str, ...], size: SizeName | None, said: str
) -> None:
    with pytest.raises(RecipeError) as error:
        load_recipe("ade20k", Choices(size, None, overrides))
    assert str(error.value).startswith(said)


def test_what_is_set_by_size_or_for_topformers_head_leaves_another_network_alone() -> None:
    network = "model.network=raspp-mobilenetv2"
    code, paper = (
        load_recipe("ade20k", Choices(preset=preset, overrides=(network,)))
        for preset in ("code", "paper")
    )
    assert (code.optimizer.lr, paper.optimizer.lr, paper.fuse) == (1.2e-4, 1.2e-4, None)
    assert parse_resolved(yaml.safe_load(code.to_yaml()), "it") == code


def test_a_card_of_a_network_that_is_not_in_the_table_is_refused() -> None:
    known = card(BASELINES["raspp-mobilenetv2"], 3, 64)
    assert ModelSpec.from_json(known.to_json(), "a card") == known
    for changed in ({"head": "lraspp"}, {"backbone": "vgg16"}, {"size": "tiny"}):
        with pytest.raises(DataError, match="a card: the identity card does not fit this version"):
            ModelSpec.from_json(known.to_json() | changed, "a card")


@pytest.mark.parametrize(
    ("name", "sides"),
    [
        pytest.param(*one, marks=[] if one[0] in QUICK and one[1] == (96, 96) else pytest.mark.slow)
        for one in SIDES
    ],
    ids=lambda value: value if isinstance(value, str) else "x".join(map(str, value)),
)
def test_it_is_exported_and_verified(name: str, sides: tuple[int, int], tmp_path: Path) -> None:
    row = BASELINES[name]
    spec = replace(card(row, 11, 96), input_size=sides)
    torch.manual_seed(1)
    network = well_conditioned(build(row))
    images = np.random.default_rng(2).standard_normal((1, 3, *sides), np.float32)
    with torch.inference_mode():
        single = network(torch.from_numpy(images)).numpy()
        exact = network.double()(torch.from_numpy(images).double()).numpy()
    stride = STRIDES.get(name, STRIDES.get(row.head, 4))
    assert single.shape == (1, 11, *(side // stride for side in sides))
    request = ExportRequest(
        name=spec.short_name,
        output_dir=tmp_path,
        input_hw=sides,
        images=images,
        reference=exact.astype(np.float32),
        tolerance=tolerance_for(compare(exact, single).relative),
    )
    fixed = fix_input_size(network.float(), *sides)
    made = export(fixed, spec.to_json(), request).artifact
    assert made.tnnproto.name == f"{name}.tnnproto"
    assert ModelSpec.from_json(load_artifact(made.tnnproto).card, "manifest") == spec
    assert {"onnx", "tnn"} <= set(made.manifest.parity)
    if real_tnn.NAMED:
        (found,) = real_tnn.run_real_tnn(made.tnnproto, images.reshape(-1)).values()
        logits = found.reshape(1, -1, *exact.shape[2:])[:, :11]
        assert np.abs(logits - exact).max() < 1e-4 * np.abs(exact).max()
    assert all(parity.labels_equal == 1 for parity in made.manifest.parity.values())


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> PreparedSet:
    return prepare_scenes(tmp_path_factory.mktemp("scenes"))


@pytest.mark.parametrize(
    "name",
    ["lraspp-mobilenetv3-large-reduced", "segformer-mit-b0", "seaformer-tiny", "pp-mobileseg-base"],
)
def test_it_is_trained_and_evaluated(name: str, scenes: PreparedSet, tmp_path: Path) -> None:
    row = BASELINES[name]
    pytest.importorskip(row.library)
    short = ("schedule.iterations=2", "schedule.warmup=1", "evaluation.every=2")
    recipe = load_recipe("scenes", Choices(overrides=(*SHORT, *short, f"model.network={name}")))
    spec = model_spec(recipe, scenes.card)
    assert (spec.network, spec.variant, spec.short_name, spec.size) == (row.name, name, name, None)
    run = new_run(tmp_path, "train", "short")
    result = train(
        TrainJob(recipe, scenes, spec, FeedOptions(device=torch.device("cpu"))), run, Watcher()
    )
    checkpoint = load_checkpoint(run.weights("last"))
    assert checkpoint.spec == spec
    network = build_from(checkpoint, "last")
    again = make_task(recipe, scenes, spec).evaluate(network, "val", "it", lambda *_: None)
    assert (again.scores, again.model) == (result.scores, row.name)


def test_without_its_library_a_network_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.import_module

    def without(name: str) -> object:
        if name in ("timm", "transformers"):
            raise ImportError(name)
        return real(name)

    monkeypatch.setattr(importlib, "import_module", without)
    for row in BASELINES.values():
        if row.library == "torchvision":
            continue
        with pytest.raises(UsageError) as error:
            encoders.ENCODERS[row.encoder](32, 0.0)
        assert str(error.value) == (
            f"this network is made with {row.library}, which is not installed: "
            "pip install 'topformer-cli[baselines]'"
        )


def test_the_import_of_transformers_is_silent() -> None:
    pytest.importorskip("torchao")
    pytest.importorskip("transformers")
    code = (
        "from topformer_cli.models.baselines.encoders import ENCODERS; ENCODERS['mit-b0'](32, 0.0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "_pytree" not in done.stderr
