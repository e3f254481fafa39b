"""Every published score belongs to a run that a recipe here describes, and can be comparable."""

from dataclasses import replace

import pytest

from tests.fakes.evidence import evidence_like, result_like
from topformer_cli.api.comparing import compare
from topformer_cli.data.catalog import DATASETS
from topformer_cli.models.spec import BACKBONES, SIZES
from topformer_cli.recipe import Choices, load_recipe
from topformer_cli.results.published import PUBLISHED, Published, published
from topformer_cli.sections.segmentation import SegmentationRecipe

ROW = pytest.mark.parametrize("row", PUBLISHED, ids=lambda row: f"{row.source}-{row.size}")
TRAINED = [row for row in PUBLISHED if row.recipe is not None]

SCORES: dict[tuple[str, str], tuple[float | None, ...]] = {
    ("paper Table 1", "ade20k"): (32.8, 36.1, 37.8),
    ("paper Table 1 at 448", "ade20k-448"): (32.5, None, None),
    ("README 2x8", "ade20k"): (33.6, 36.5, 38.3),
    ("README 2x8 at 448", "ade20k-448"): (32.5, None, None),
    ("README 4x8", "ade20k-batch32"): (34.6, 37.0, 39.2),
    ("README 4x8 at 448", "ade20k-448"): (33.4, None, None),
    ("paper Table 9", "pascal-context"): (36.41, 39.06, 41.01),
    ("paper Table 9", "pascal-context-59"): (40.39, 43.68, 45.28),
    ("paper Table 10", "coco-stuff-10k"): (28.34, 30.83, 33.43),
    ("paper Table 11", "coco-retinanet"): (27.1, 30.4, 31.6),
}
"""Where it is printed and whose recipe -> tiny, small and base, as the tables have them."""


def test_the_scores_are_those_of_the_tables() -> None:
    found = {(row.source, row.recipe, row.size): row.value for row in TRAINED}
    assert found == {
        (source, recipe, size): value
        for (source, recipe), values in SCORES.items()
        for size, value in zip(SIZES, values, strict=True)
        if value is not None
    }
    weights = {row.size: row.value for row in PUBLISHED if row.task == "classification"}
    assert weights == {"tiny": 66.2, "small": 72.3, "base": 75.3}
    copied = {row.size: row.value for row in PUBLISHED if row.copied_from}
    assert copied == {"shufflenetv2": 25.9, "mobilenetv3": 27.2}


@ROW
def test_a_score_is_of_a_known_set_and_size(row: Published) -> None:
    assert DATASETS[row.dataset].task == row.task
    assert row.split in DATASETS[row.dataset].counts
    assert row.size in {*SIZES, *BACKBONES} - {"topformer"}
    assert row in published(row.task, row.dataset, row.size)


@pytest.mark.parametrize("row", TRAINED, ids=lambda row: f"{row.source}-{row.size}")
def test_a_score_has_a_recipe_that_says_how_it_was_reached(row: Published) -> None:
    assert row.recipe is not None
    recipe = load_recipe(row.recipe, Choices(row.size, row.preset))  # type: ignore[arg-type]
    assert (recipe.task, recipe.dataset) == (row.task, row.dataset)
    assert row.batch in (recipe.batch, 32)
    assert row.norm_images == (2 if row.task == "detection" else row.batch)
    if isinstance(recipe, SegmentationRecipe):
        assert recipe.augment.crop == (row.side, row.side)


@pytest.mark.parametrize("row", TRAINED, ids=lambda row: f"{row.source}-{row.size}")
def test_the_run_behind_a_score_may_be_held_against_it(row: Published) -> None:
    comparison = compare(evidence_like(row), result_like(row, row.value + 0.25))
    assert comparison is not None
    assert comparison.reasons == ()
    assert (row.source, row.value, 0.25) in [
        (one.source, one.value, one.difference) for one in comparison.beside
    ]


def test_nothing_is_printed_for_other_sets_and_tasks() -> None:
    assert published("segmentation", "coco-stuff-164k", "tiny") == ()
    assert published("segmentation", "camvid", "tiny") == ()
    row = replace(TRAINED[0], dataset="mine")
    assert compare(evidence_like(row), result_like(row, 50.0)) is None
