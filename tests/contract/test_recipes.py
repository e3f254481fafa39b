"""The recipes of published sets: what the authors' configurations and the paper say, by size."""

from typing import Any

import pytest

from topformer_cli.data.catalog import DATASETS
from topformer_cli.models.spec import SIZES, SizeName
from topformer_cli.recipe import (
    CUSTOM,
    Choices,
    ablation_names,
    baseline_names,
    load_recipe,
    preset_settings,
    recipe_names,
)
from topformer_cli.recipe.settings import preset_names
from topformer_cli.sections.segmentation import SegmentationRecipe

ADE = ("ade20k", "ade20k-448", "ade20k-batch32")
CONTEXT = ("pascal-context", "pascal-context-59")
STUFF = ("coco-stuff-10k", "coco-stuff-164k")
EVERY = pytest.mark.parametrize("size", SIZES)
PRESETS = pytest.mark.parametrize("preset", ["code", "paper"])

SCHEDULES: dict[str, tuple[int, int, tuple[int, int], tuple[int, int]]] = {
    "ade20k": (160_000, 16, (512, 512), (2048, 512)),
    "ade20k-448": (160_000, 16, (448, 448), (2048, 448)),
    "ade20k-batch32": (160_000, 32, (512, 512), (2048, 512)),
    "pascal-context": (80_000, 16, (480, 480), (520, 520)),
    "pascal-context-59": (80_000, 16, (480, 480), (520, 520)),
    "coco-stuff-10k": (80_000, 16, (512, 512), (2048, 512)),
    "coco-stuff-164k": (80_000, 16, (512, 512), (2048, 512)),
}
"""Recipe -> iterations, global batch, crop and scale of training (paper 4.1.2; local_configs)."""

TESTED: dict[tuple[str, str], tuple[str, tuple[int, int], int]] = {
    ("ade20k", "code"): ("keep_ratio", (2048, 512), 32),
    ("ade20k", "paper"): ("keep_ratio", (2048, 512), 32),
    ("ade20k-448", "code"): ("keep_ratio", (2048, 448), 32),
    ("ade20k-448", "paper"): ("keep_ratio", (2048, 448), 32),
    ("ade20k-batch32", "code"): ("keep_ratio", (2048, 512), 32),
    ("ade20k-batch32", "paper"): ("keep_ratio", (2048, 512), 32),
    ("pascal-context", "code"): ("keep_ratio", (520, 520), 1),
    ("pascal-context", "paper"): ("stretch", (480, 480), 1),
    ("pascal-context-59", "code"): ("keep_ratio", (520, 520), 1),
    ("pascal-context-59", "paper"): ("stretch", (480, 480), 1),
    ("coco-stuff-10k", "code"): ("keep_ratio", (2048, 512), 1),
    ("coco-stuff-10k", "paper"): ("keep_ratio", (2048, 512), 1),
    ("coco-stuff-164k", "code"): ("keep_ratio", (2048, 512), 1),
    ("coco-stuff-164k", "paper"): ("keep_ratio", (2048, 512), 1),
}
"""Recipe and preset -> resize, scale and multiple of the test."""

_STRETCHED = {"evaluation.resize": "stretch", "evaluation.scale": [480, 480]}
_KEPT = {"evaluation.resize": "keep_ratio", "evaluation.scale": [520, 520]}
_FAST = {"optimizer.lr": 3e-4}
_SLOW = {"optimizer.lr": 1.2e-4}
_DEPTHWISE = {"model.fuse": "depthwise"}
_FULL = {"model.fuse": "full"}

APART: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    **{name: (_FAST | _DEPTHWISE, _SLOW | _FULL, {}, {}) for name in ADE},
    **dict.fromkeys(CONTEXT, (_KEPT | _DEPTHWISE, _STRETCHED | _FULL, _KEPT, _STRETCHED)),
    **{name: (_DEPTHWISE, _FULL, {}, {}) for name in STUFF},
}
"""Recipe -> what differs: code and paper for tiny, code and paper for small and base."""


def load(name: str, size: SizeName, preset: str | None = None) -> SegmentationRecipe:
    recipe = load_recipe(name, Choices(size, preset))
    assert isinstance(recipe, SegmentationRecipe)
    return recipe


def test_every_published_set_with_masks_has_a_recipe_of_its_name() -> None:
    masks = {name for name, spec in DATASETS.items() if spec.task == "segmentation"}
    assert masks <= {*recipe_names()} - {*CUSTOM.values()}
    assert all(load(name, "tiny").dataset == name for name in masks)


def test_every_recipe_with_two_sources_has_its_lines_in_these_tables() -> None:
    main = {*recipe_names()} - {*ablation_names()} - {*baseline_names()}
    two = {name for name in main if preset_names(name) == ("code", "paper")}
    assert two == set(SCHEDULES) == set(APART) == {name for name, _ in TESTED}


@EVERY
@PRESETS
@pytest.mark.parametrize("name", SCHEDULES)
def test_schedule(name: str, size: SizeName, preset: str) -> None:
    recipe = load(name, size, preset)
    augment, schedule, optimizer = recipe.augment, recipe.schedule, recipe.optimizer
    iterations, batch, crop, scale = SCHEDULES[name]
    assert (schedule.iterations, recipe.batch) == (iterations, batch)
    assert (augment.crop, augment.scale, augment.ratio) == (crop, scale, (0.5, 2.0))
    assert (augment.flip, augment.cat_max_ratio, augment.photometric) == (0.5, 0.75, True)
    assert (schedule.warmup, schedule.warmup_ratio, schedule.power) == (1500, 1e-6, 1.0)
    assert (optimizer.weight_decay, optimizer.betas) == (0.01, (0.9, 0.999))
    assert optimizer.head_lr_factor == 10.0
    assert (recipe.model.drop_path, recipe.model.dropout) == (0.1, 0.1)
    assert recipe.loss.normalise == "all_pixels"


@EVERY
@pytest.mark.parametrize(("name", "preset"), TESTED)
def test_protocol(name: str, preset: str, size: SizeName) -> None:
    recipe = load(name, size, preset)
    tested = recipe.evaluation
    assert (tested.resize, tested.scale, tested.multiple) == TESTED[name, preset]
    assert recipe.schedule.iterations == 10 * tested.every


@EVERY
@pytest.mark.parametrize("name", APART)
def test_presets_differ_in_this_and_nothing_else(name: str, size: SizeName) -> None:
    tiny_code, tiny_paper, code, paper = APART[name]
    apart = (tiny_code, tiny_paper) if size == "tiny" else (code, paper)
    assert preset_settings(name, Choices(size)) == dict(zip(("code", "paper"), apart, strict=True))
    assert load(name, size).preset == "code"


@EVERY
def test_camvid_has_the_authors_optimisation_besides_its_own(size: SizeName) -> None:
    tuned, code, paper = (load("camvid", size, preset) for preset in (None, "code", "paper"))
    assert (tuned.preset, tuned.loss.normalise) == ("tuned", "valid")
    assert tuned.augment == code.augment == paper.augment
    assert tuned.evaluation == code.evaluation == paper.evaluation
    for recipe, lr in ((code, 3e-4), (paper, 1.2e-4)):
        schedule, optimizer = recipe.schedule, recipe.optimizer
        assert (optimizer.lr, optimizer.head_lr_factor) == (lr, 10.0)
        assert (schedule.warmup, schedule.power) == (tuned.schedule.warmup, 1.0)
        assert (schedule.iterations, recipe.batch) == (tuned.schedule.iterations, tuned.batch)
        assert recipe.loss.normalise == "all_pixels"
    assert paper.fuse == "full"
