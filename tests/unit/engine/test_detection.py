"""Detection through the engine: what a run records, boxes in pixels of the picture, and learning.

That it resumes bit for bit is in tests/contract.
"""

import json
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.fakes.box_pictures import make_blocks
from tests.fakes.coco_tree import make_coco
from tests.unit.engine.conftest import Watcher, same_weights
from topformer_cli.data.catalog import DATASETS
from topformer_cli.data.prepare import prepare
from topformer_cli.data.sources.published import KnownRequest
from topformer_cli.data.store import PreparedSet
from topformer_cli.engine.detect import Detector, category_ids, evaluate_boxes
from topformer_cli.engine.evaluate import Split
from topformer_cli.engine.examples import BoxExample, Example
from topformer_cli.engine.feed import FeedOptions
from topformer_cli.engine.job import TrainJob
from topformer_cli.engine.tasks import make_task, model_spec
from topformer_cli.engine.train import train
from topformer_cli.errors import DataError, Stopped
from topformer_cli.models.boxes import RawBoxes, anchor_boxes
from topformer_cli.models.checkpoint import build_from, load_checkpoint
from topformer_cli.models.spec import BACKBONES, ModelSpec
from topformer_cli.recipe import Choices, SetFacts, load_recipe
from topformer_cli.results import DetectionResult
from topformer_cli.rundir import new_run
from topformer_cli.sections.detection import DetectionRecipe

CPU = torch.device("cpu")
SHORT = (
    "batch=2", "augment.scale=[96,64]", "augment.least_short=48", "evaluation.scale=[96,64]",
    "schedule.iterations=4", "schedule.warmup=2", "evaluation.every=3", "evaluation.score=0.01",
)  # fmt: skip


@pytest.fixture(scope="module")
def coco(tmp_path_factory: pytest.TempPathFactory) -> PreparedSet:
    folder = tmp_path_factory.mktemp("coco")
    root, cache = make_coco(folder, 7, 5), folder / "cache"
    prepare(KnownRequest(spec=DATASETS["coco"], folder=root, cache_dir=cache, allow_partial=True))
    return PreparedSet.open("coco", cache)


def make_job(prepared: PreparedSet, *overrides: str) -> TrainJob:
    recipe = load_recipe("coco-retinanet", Choices("tiny", None, (*SHORT, *overrides)))
    return TrainJob(recipe, prepared, model_spec(recipe, prepared.card), FeedOptions(device=CPU))


def test_a_run_leaves_what_every_run_leaves(coco: PreparedSet, tmp_path: Path) -> None:
    run, watcher = new_run(tmp_path, "train", "short"), Watcher()
    result = train(make_job(coco), run, watcher)
    assert isinstance(result, DetectionResult)
    assert result.images == 5
    assert len(result.found.class_ap) == 80
    assert result.notes == ("partial: train 7 of 118287, val 5 of 5000",)
    assert [step for step, _ in watcher.evaluations] == [3, 4]
    assert watcher.pictures == {3: coco.ids("val")[:4], 4: coco.ids("val")[:4]}
    lines = [json.loads(line) for line in run.metrics.read_text().splitlines()]
    assert [line["kind"] for line in lines] == ["eval", "step", "eval"]
    assert lines[-1]["ap"] == result.headline.value
    assert np.isfinite(lines[1]["loss"])
    checkpoint = load_checkpoint(run.weights("last"))
    assert (checkpoint.spec.task, checkpoint.spec.head) == ("detection", "retinanet")
    assert checkpoint.spec.input_size == (64, 96)


@pytest.mark.parametrize("backbone", ["shufflenetv2", "mobilenetv3"])
def test_other_backbones_are_trained_stopped_and_resumed(
    coco: PreparedSet, tmp_path: Path, backbone: str
) -> None:
    recipe = load_recipe(
        "coco-retinanet", Choices(overrides=(*SHORT, f"model.backbone={backbone}"))
    )
    spec = model_spec(recipe, coco.card)
    job = TrainJob(recipe, coco, spec, FeedOptions(device=CPU))
    whole, parts = (new_run(tmp_path, "train", part) for part in ("whole", "parts"))
    result = train(job, whole, Watcher())
    with pytest.raises(Stopped):
        train(job, parts, Watcher(lambda _: os.kill(os.getpid(), signal.SIGINT)))
    torch.manual_seed(99)
    train(job, parts, Watcher(), resume=True)
    assert same_weights(whole.weights("last"), parts.weights("last")) == []
    assert isinstance(result, DetectionResult)
    checkpoint = load_checkpoint(whole.weights("last"))
    assert (checkpoint.spec, checkpoint.spec.backbone) == (spec, backbone)
    assert checkpoint.spec.size is None
    network = build_from(checkpoint, "last")
    again = make_task(recipe, coco, checkpoint.spec).evaluate(network, "val", "it", lambda *_: None)
    assert again.scores == result.scores
    assert result.model == f"RetinaNet with {BACKBONES[spec.backbone]}"


class OneAnchor(nn.Module):
    """A network that is sure of one anchor, and only of it."""

    def __init__(self, index: int, classes: int) -> None:
        super().__init__()
        self.index, self.classes, self.sure = index, classes, 5.0

    def forward(self, images: Tensor) -> RawBoxes:
        height, width = images.shape[2:]
        count = sum(len(level) for level in anchor_boxes(height, width, CPU))
        logits = torch.full((1, count, self.classes), -20.0)
        logits[0, self.index, 1] = self.sure
        return RawBoxes(logits, torch.zeros(1, count, 4))


def spec(classes: int, names: Sequence[str] = ()) -> ModelSpec:
    return ModelSpec(
        task="detection",
        size="tiny",
        head="retinanet",
        fuse=None,
        classes=tuple(names) or tuple(f"class {index}" for index in range(classes)),
        palette=((0, 0, 0),) * classes,
        input_size=(64, 96),
        dataset="mine",
    )


@pytest.mark.parametrize("size", [(60, 90), (120, 180), (33, 50)], ids=str)
def test_boxes_come_back_in_pixels_of_the_picture(size: tuple[int, int]) -> None:
    settings = make_recipe().evaluation
    index = 9 * (3 * 12 + 5) + 4
    detector = Detector(OneAnchor(index, 3), spec(3), settings, CPU)
    found = detector(np.zeros((*size, 3), np.uint8))
    prepared = detector.input(np.zeros((*size, 3), np.uint8))
    assert prepared.values.shape == (1, 3, 64, 96)
    factor = size[0] / prepared.resized[0]
    anchor = anchor_boxes(64, 96, CPU)[0][index].numpy()
    np.testing.assert_allclose(found.boxes, [anchor * factor], rtol=0.02)
    assert found.labels.tolist() == [1]
    assert found.scores[0] == pytest.approx(1 / (1 + np.exp(-5)))
    detector.network.index = 9 * (7 * 12 + 11)  # type: ignore[assignment]
    (corner,) = detector(np.zeros((*size, 3), np.uint8)).boxes
    assert corner[2] == pytest.approx(size[1])
    assert corner[3] == pytest.approx(size[0])


def make_recipe() -> DetectionRecipe:
    recipe = load_recipe("coco-retinanet", Choices("tiny", None, SHORT))
    assert isinstance(recipe, DetectionRecipe)
    return recipe


def test_a_network_of_other_classes_is_refused(coco: PreparedSet) -> None:
    detector = Detector(OneAnchor(0, 3), spec(3), make_recipe().evaluation, CPU)
    with pytest.raises(DataError, match=r"the model has 3 classes .mine., the set coco has 80"):
        evaluate_boxes(detector, Split(coco), "none", lambda *_: None)


def test_another_order_of_classes_is_refused(coco: PreparedSet) -> None:
    detector = Detector(
        OneAnchor(0, 80), spec(80, coco.card.classes[::-1]), make_recipe().evaluation, CPU
    )
    with pytest.raises(DataError, match="the model's classes in another order: 80 of 80 ids"):
        evaluate_boxes(detector, Split(coco), "none", lambda *_: None)


def test_boxes_are_counted_under_the_sets_own_numbers(coco: PreparedSet) -> None:
    assert category_ids(coco.card)[-1] == 90
    named = coco.card.model_copy(update={"codes": tuple(coco.card.classes)})
    assert category_ids(named) == list(range(1, 81))


def test_a_network_keeps_the_sets_own_numbers(coco: PreparedSet, tmp_path: Path) -> None:
    run = new_run(tmp_path, "train", "numbers")
    train(make_job(coco, "schedule.iterations=1", "evaluation.every=1"), run, Watcher())
    kept = load_checkpoint(run.weights("last")).spec
    assert category_ids(kept) == category_ids(coco.card)
    before = {name: value for name, value in kept.to_json().items() if name != "codes"}
    assert category_ids(ModelSpec.from_json(before, "an older card")) == list(range(1, 81))


def test_images_without_objects_are_looked_at_too(coco: PreparedSet) -> None:
    seen: list[tuple[int, int]] = []
    card = spec(80, coco.card.classes)
    detector = Detector(OneAnchor(0, 80), card, make_recipe().evaluation, CPU)
    progress: Callable[[int, int], None] = lambda done, total: seen.append((done, total))  # noqa: E731
    result = evaluate_boxes(detector, Split(coco), "none", progress)
    assert result.boxes == 5
    assert seen == [(done, 5) for done in range(1, 6)]
    assert "AP50" in result.summary()
    assert len(result.table().rows) == 80


def test_only_boxes_of_some_score_are_looked_at(coco: PreparedSet) -> None:
    task = make_task(make_recipe(), coco, spec(80, coco.card.classes))
    network = OneAnchor(9 * 40, 80)
    network.register_parameter("place", nn.Parameter(torch.zeros(1)))
    assert [len(one.predicted.boxes) for one in boxes_of(task.examples(network))] == [1] * 4
    network.sure = -1.0  # a score of 0.27
    seen = boxes_of(task.examples(network))
    assert [len(one.predicted.boxes) for one in seen] == [0] * 4
    for index, one in enumerate(seen):
        sample = coco.boxes("val", index)
        assert one.image.shape == (sample.height, sample.width, 3)
        np.testing.assert_allclose(one.truth.boxes[:, :2], sample.boxes[:, :2])
        assert one.truth.crowds.tolist() == sample.crowds.tolist()


def boxes_of(examples: Sequence[Example]) -> list[BoxExample]:
    assert all(isinstance(one, BoxExample) for one in examples)
    return [one for one in examples if isinstance(one, BoxExample)]


def test_eight_images_are_learnt(tmp_path: Path) -> None:
    request = make_blocks(tmp_path / "raw", 8, 2, small=True)
    prepare(request)
    prepared = PreparedSet.open("blocks", request.cache_dir)
    overrides = (
        "schedule.iterations=55", "schedule.warmup=5", "schedule.steps=[0.8,0.92]",
        "evaluation.every=55", "augment.flip=0", "optimizer.lr=1e-3",
    )  # fmt: skip
    facts = SetFacts("blocks", prepared.card.median_size, 8)
    recipe = load_recipe("custom-detection", Choices("tiny", None, overrides), facts)
    spec = model_spec(recipe, prepared.card)
    job = TrainJob(recipe, prepared, spec, FeedOptions(device=CPU))
    run = new_run(tmp_path, "train", "blocks")
    train(job, run, Watcher())
    task = make_task(recipe, prepared, spec)
    before = task.evaluate(task.build(), "train", "none", lambda *_: None)
    network = build_from(load_checkpoint(run.weights("last")), "last")
    after = task.evaluate(network, "train", "last", lambda *_: None)
    assert before.to_json()["ap50"] < 5
    assert after.to_json()["ap50"] > 30
