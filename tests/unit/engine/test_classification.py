"""Answers are counted as they should be, and a small set is learnt."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.fakes.ilsvrc import make_ilsvrc
from tests.unit.engine.conftest import Watcher
from topformer_cli.data.catalog import DATASETS
from topformer_cli.data.class_augment import centre_input
from topformer_cli.data.decode import decode_image
from topformer_cli.data.prepare import prepare
from topformer_cli.data.sources.published import KnownRequest
from topformer_cli.data.store import PreparedSet
from topformer_cli.engine.classification import (
    ClassificationTask,
    ImageClassifier,
    evaluate_classes,
)
from topformer_cli.engine.evaluate import Split
from topformer_cli.engine.feed import FeedOptions
from topformer_cli.engine.job import TrainJob
from topformer_cli.engine.predict import TorchPredictor, normalised
from topformer_cli.engine.processes.world import World
from topformer_cli.engine.tasks import make_task, model_spec
from topformer_cli.engine.train import train
from topformer_cli.errors import DataError
from topformer_cli.models.build import build_model
from topformer_cli.models.checkpoint import build_from, load_checkpoint
from topformer_cli.models.spec import ModelSpec
from topformer_cli.predictor import FloatArray
from topformer_cli.recipe import Choices, load_recipe
from topformer_cli.results import ClassificationResult
from topformer_cli.rundir import new_run
from topformer_cli.sections.classification import ClassificationRecipe

PER_CLASS, CLASSES, VAL = 8, 3, 40

SMALL = (
    "batch=8", "augment.crop=[64,64]", "evaluation.crop=[64,64]", "evaluation.short_side=64",
    "evaluation.every=1000", "model.drop_path=0", "model.dropout=0", "loss.label_smoothing=0",
    "ema=0.9", "optimizer.lr=0.005", "schedule.iterations=40", "schedule.warmup=3",
    "schedule.noise_from=1",
)  # fmt: skip
MIXED = "augment.mixup=0.2"


@pytest.fixture(scope="module")
def imagenet(tmp_path_factory: pytest.TempPathFactory) -> PreparedSet:
    """24 images of three of ImageNet's classes to train on, 40 to validate."""
    folder = tmp_path_factory.mktemp("ilsvrc")
    root = make_ilsvrc(folder, PER_CLASS, VAL, CLASSES, "folders")
    spec, cache = DATASETS["imagenet"], folder / "cache"
    prepare(KnownRequest(spec=spec, folder=root, cache_dir=cache, allow_partial=True))
    return PreparedSet.open("imagenet", cache)


def recipe(*overrides: str) -> ClassificationRecipe:
    loaded = load_recipe("imagenet", Choices("tiny", None, (*SMALL, *overrides)))
    assert isinstance(loaded, ClassificationRecipe)
    return loaded


@pytest.fixture
def spec(imagenet: PreparedSet) -> ModelSpec:
    return model_spec(recipe(), imagenet.card)


def silent(done: int, total: int) -> None:
    assert 0 < done <= total


def test_a_small_set_is_learnt_with_everything_on(
    imagenet: PreparedSet, spec: ModelSpec, tmp_path: Path
) -> None:
    run, watcher = new_run(tmp_path, "train", "kinds"), Watcher()
    options = FeedOptions(device=torch.device("cpu"))
    mixing = recipe(MIXED)
    train(TrainJob(mixing, imagenet, spec, options), run, watcher)
    first, second = (record.loss for record in watcher.records)
    assert second < 0.75 * first
    network = build_from(load_checkpoint(run.weights("last")), "last")
    result = make_task(mixing, imagenet, spec).evaluate(network, "train", "last", silent)
    assert isinstance(result, ClassificationResult)
    assert result.top1 > 40  # one class of three, or less
    assert result.top5 is not None
    assert result.top1 <= result.top5 <= 100
    assert sum(result.counts) == result.images == PER_CLASS * CLASSES


class Told:
    """Answers with prepared rows of logits, whatever it is shown."""

    name = "told"

    def __init__(self, rows: Sequence[FloatArray]) -> None:
        self.rows = list(rows)
        self.batches: list[int] = []

    def __call__(self, images: FloatArray) -> FloatArray:
        self.batches.append(len(images))
        given, self.rows = self.rows[: len(images)], self.rows[len(images) :]
        return np.stack(given)


def measure(
    imagenet: PreparedSet, spec: ModelSpec, rows: Sequence[FloatArray]
) -> ClassificationResult:
    classifier = ImageClassifier(Told(rows), spec, recipe().evaluation)
    return evaluate_classes(classifier, Split(imagenet), "told", silent)


def labels(imagenet: PreparedSet) -> list[int]:
    return [imagenet.classified("val", index).label for index in range(VAL)]


def ranked(label: int, place: int) -> FloatArray:
    """Logits in which a label comes at a place, counted from 0."""
    row = np.zeros(1000, np.float32)
    row[[other for other in range(10) if other != label][:place]] = 2
    row[label] = 1
    return row


@pytest.mark.parametrize(
    ("place", "top1", "top5"), [(0, 100, 100), (1, 0, 100), (4, 0, 100), (5, 0, 0)]
)
def test_first_and_fifth_places_count(
    imagenet: PreparedSet, spec: ModelSpec, place: int, top1: float, top5: float
) -> None:
    result = measure(imagenet, spec, [ranked(label, place) for label in labels(imagenet)])
    assert (result.top1, result.top5) == (top1, top5)
    assert result.headline.value == top1
    present = {
        label: accuracy for label, accuracy in enumerate(result.accuracy) if result.counts[label]
    }
    assert set(present) == set(labels(imagenet))
    assert set(present.values()) == {top1}
    assert result.accuracy.count(None) == 1000 - CLASSES


def test_shares_by_class_are_of_that_class(imagenet: PreparedSet, spec: ModelSpec) -> None:
    truth = labels(imagenet)
    rows = [ranked(label, 0 if label == truth[0] else 9) for label in truth]
    result = measure(imagenet, spec, rows)
    assert result.accuracy[truth[0]] == 100
    assert result.top1 == pytest.approx(100 * truth.count(truth[0]) / VAL)


@pytest.mark.parametrize("value", [0.0, float("nan"), float("inf")])
def test_answers_that_do_not_choose_are_wrong(
    imagenet: PreparedSet, spec: ModelSpec, value: float
) -> None:
    result = measure(imagenet, spec, [np.full(1000, value, np.float32)] * VAL)
    assert (result.top1, result.top5) == (0, 0)


def test_what_was_measured_is_said(imagenet: PreparedSet, spec: ModelSpec) -> None:
    told = Told([ranked(0, 0)] * VAL)
    classifier = ImageClassifier(told, spec, recipe().evaluation)
    result = evaluate_classes(classifier, Split(imagenet), "told", silent)
    assert told.batches == [32, 8]
    assert (result.model, result.weights, result.dataset) == ("TopFormer-tiny", "told", "imagenet")
    assert (result.images, result.split) == (VAL, "val")
    assert result.protocol == "short side 64, centre 64x64; single crop"
    assert result.notes == (f"partial: train 24 of 1281167, val {VAL} of 50000",)
    assert result.table().rows == ()
    assert result.to_json()["top1"] == result.top1


def test_another_number_of_classes_is_refused(imagenet: PreparedSet, spec: ModelSpec) -> None:
    with pytest.raises(DataError, match=r"the model has 2 classes .*, the set imagenet has 1000"):
        measure(imagenet, replace(spec, classes=("a", "b")), [])


def test_another_order_of_classes_is_refused(imagenet: PreparedSet, spec: ModelSpec) -> None:
    with pytest.raises(DataError, match="the model's classes in another order: 1000 of 1000 ids"):
        measure(imagenet, replace(spec, classes=spec.classes[::-1]), [])


def test_the_network_sees_the_normalised_centre(imagenet: PreparedSet, spec: ModelSpec) -> None:
    network = build_model(spec).eval()
    classifier = ImageClassifier(
        TorchPredictor(network, "it", torch.device("cpu")), spec, recipe().evaluation
    )
    image = decode_image(imagenet.classified("val", 0).image)
    found = classifier([classifier.input(image)])
    pixels = torch.from_numpy(normalised(centre_input(image, recipe().evaluation), spec))
    with torch.inference_mode():
        expected = network(pixels).numpy()
    assert found == pytest.approx(expected, abs=1e-4 * float(np.abs(expected).max()))


def test_smoothing_is_the_recipes(imagenet: PreparedSet, spec: ModelSpec) -> None:
    class Certain(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            rows = torch.zeros(len(images), 1000)
            rows[:, 3] = 50.0
            return rows

    images, targets = torch.zeros(2, 3, 64, 64), [torch.tensor([3, 3])]
    plain, smooth = (
        ClassificationTask(recipe(f"loss.label_smoothing={share}"), imagenet, spec)
        for share in (0.0, 0.1)
    )
    assert plain.loss(Certain(), images, targets).loss.item() == pytest.approx(0, abs=1e-6)
    assert smooth.loss(Certain(), images, targets).loss.item() == pytest.approx(
        0.1 * 50 * 0.999, rel=1e-4
    )


def test_batches_are_crops_and_train_ids(imagenet: PreparedSet, spec: ModelSpec) -> None:
    task = ClassificationTask(recipe(), imagenet, spec)
    ((part,),) = task.feed(FeedOptions(device=torch.device("cpu"))).batches(3, 4)
    images, targets = part.tensors
    assert (images.shape, images.dtype) == ((8, 64, 64, 3), torch.uint8)
    assert (targets.shape, targets.dtype) == ((8,), torch.int64)
    known = {imagenet.classified("train", index).label for index in range(24)}
    assert set(targets.tolist()) <= known


def batch(
    imagenet: PreparedSet, spec: ModelSpec, options: FeedOptions, step: int = 3
) -> list[torch.Tensor]:
    """All parts of a step's batch, put together."""
    feed = ClassificationTask(recipe(MIXED), imagenet, spec).feed(options)
    ((parts),) = feed.batches(step, step + 1)
    return [torch.cat(values) for values in zip(*(part.tensors for part in parts), strict=True)]


def test_mixed_batches_name_both_images_and_the_share(
    imagenet: PreparedSet, spec: ModelSpec
) -> None:
    images, labels, others, shares = batch(imagenet, spec, FeedOptions(device=torch.device("cpu")))
    assert (images.shape, images.dtype) == ((8, 64, 64, 3), torch.uint8)
    assert torch.equal(others, labels.view(4, 2).flip(1).flatten())
    assert (shares.shape, shares.dtype) == ((8,), torch.float32)
    assert torch.equal(shares[::2], shares[1::2])
    assert len(shares.unique()) == 4
    assert ((shares >= 0) & (shares <= 1)).all()


def test_what_is_mixed_depends_on_neither_workers_parts_nor_processes(
    imagenet: PreparedSet, spec: ModelSpec
) -> None:
    alone = FeedOptions(device=torch.device("cpu"))
    whole = batch(imagenet, spec, alone)
    worked = batch(imagenet, spec, replace(alone, workers=1))
    in_parts = batch(imagenet, spec, replace(alone, parts=4))
    worlds = [World(rank=rank, size=2) for rank in (0, 1)]
    processes = [batch(imagenet, spec, replace(alone, world=world)) for world in worlds]
    shared = [torch.cat(values) for values in zip(*processes, strict=True)]
    for found in (worked, in_parts, shared):
        assert all(torch.equal(one, other) for one, other in zip(whole, found, strict=True))
    assert not torch.equal(whole[0], batch(imagenet, spec, alone, step=4)[0])


def test_the_loss_of_mixed_images_is_that_of_mixed_labels(
    imagenet: PreparedSet, spec: ModelSpec
) -> None:
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 1000))
    images, labels, others = torch.randn(4, 3, 2, 2), torch.tensor([3, 5, 7, 7]), [5, 3, 7, 7]
    shares = torch.tensor([0.2, 0.2, 0.9, 0.9])
    task = ClassificationTask(recipe(MIXED, "loss.label_smoothing=0.1"), imagenet, spec)
    targets = torch.full((4, 1000), 0.1 / 1000)
    for row, (label, other, share) in enumerate(zip(labels, others, shares, strict=True)):
        targets[row, label] += 0.9 * share
        targets[row, other] += 0.9 * (1 - share)
    expected = torch.nn.functional.cross_entropy(network(images), targets)
    found = task.loss(network, images, [labels, torch.tensor(others), shares]).loss
    torch.testing.assert_close(found, expected)
