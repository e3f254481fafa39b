"""Runs as they would have to be behind a published score, and what was measured of them."""

from typing import Any

from topformer_cli.api.comparing import Evidence
from topformer_cli.data.card import DatasetCard, LabelFacts, SplitCard
from topformer_cli.models.spec import ModelSpec
from topformer_cli.recipe import Choices, Recipe, load_recipe
from topformer_cli.results import (
    ClassificationResult,
    DetectionResult,
    EvalResult,
    LabelScores,
    Result,
)
from topformer_cli.results.detection import BoxScores
from topformer_cli.results.ledger import Ledger, Spread, Start, TrainingData
from topformer_cli.results.published import Published

COUNTS = {"train": 40, "val": 10}
CLASSES = ("one", "two")
IMAGENET = Start(kind="imagenet", file="topformer.pth", task="classification", dataset="imagenet")


def _split(images: int) -> SplitCard:
    side = (64, 64)
    facts = LabelFacts(counts=(1, 1), images=(1, 1), ignored=0, empty=0)
    return SplitCard(
        images=images, pixels=64, smallest=side, median=side, largest=side, labels=facts
    )


def card_of(name: str, expected: dict[str, int] | None = None) -> DatasetCard:
    """The card of a published set that is whole, unless more is expected."""
    return DatasetCard(
        name=name, title=name, task="segmentation", classes=CLASSES,
        palette=((0, 0, 0), (1, 1, 1)), codes=(), id_map=(0, 1, *[255] * 254),
        splits={split: _split(count) for split, count in COUNTS.items()},
        expected=COUNTS if expected is None else expected, terms="", homepage="", source="",
        source_fingerprint="", fingerprint="f" * 64, warnings=(),
    )  # fmt: skip


def recipe_of(row: Published, *overrides: str) -> Recipe:
    """The recipe behind a published score."""
    size: Any = row.size
    choices = Choices(size, row.preset, (f"batch={row.batch}", *overrides))
    return load_recipe(row.recipe or "", choices)


def spec_of(recipe: Recipe, dataset: str) -> ModelSpec:
    return ModelSpec(
        task=recipe.task, backbone=recipe.backbone, size=recipe.size, head=recipe.head,
        fuse=recipe.fuse, classes=CLASSES, palette=((0, 0, 0), (1, 1, 1)),
        input_size=recipe.input_size, dataset=dataset,
    )  # fmt: skip


def ledger_of(recipe: Recipe, row: Published, **changed: Any) -> Ledger:
    """The ledger of a run that did all as the published one."""
    processes = row.batch // row.norm_images if row.task == "detection" else 1
    values: dict[str, Any] = {
        "recipe": recipe.name, "size": recipe.size, "preset": recipe.preset, "preset_sets": {},
        "departures": (), "start": IMAGENET, "amp": "fp32", "seed": 0,
        "spread": Spread(
            batch=row.batch, per_device=row.batch // processes, processes=processes
        ),
        "data": TrainingData(name=row.dataset, fingerprint="f" * 64),
        "versions": {"topformer": "1", "torch": "2"},
    }  # fmt: skip
    return Ledger(**values | changed)


def evidence_like(
    row: Published, *overrides: str, origin: dict[str, Any] | None = None, **ledger: Any
) -> Evidence:
    """What is known of a run like the published one, but for overrides, origin and ledger."""
    recipe = recipe_of(row, *overrides)
    told = {
        "recipe": {}, "step": recipe.schedule.iterations,
        "ledger": ledger_of(recipe, row, **ledger).to_json(), **(origin or {}),
    }  # fmt: skip
    return Evidence(recipe, spec_of(recipe, row.dataset), told, card_of(row.dataset))


def result_like(row: Published, value: float, split: str = "val") -> Result:
    """A result whose headline has a value."""
    common: dict[str, Any] = {
        "model": "TopFormer", "weights": "w", "dataset": row.dataset, "split": split,
        "images": COUNTS["val"], "protocol": "p", "classes": CLASSES,
    }  # fmt: skip
    none = (None, None)
    if row.task == "detection":
        found = BoxScores(none, (5, 5), value, *[None] * 11)
        return DetectionResult(**common, boxes=1, found=found)
    if row.task == "classification":
        return ClassificationResult(**common, top1=value, top5=None, accuracy=none, counts=(5, 5))
    return EvalResult(
        **common, found=LabelScores(value, value, 90.0, 80.0, iou=none, accuracy=none)
    )
