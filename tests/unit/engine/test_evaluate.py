"""An evaluation is the plain one: resize, network, two resizes, argmax, count."""

import json
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from tests.unit.engine.conftest import MakeJob, make_job
from topformer_cli.data.decode import decode_image, decode_mask, encode_png
from topformer_cli.data.protocol import EvalSettings
from topformer_cli.data.store import PreparedSet, Sample
from topformer_cli.engine.device import resolve_device
from topformer_cli.engine.evaluate import Split, evaluate, protocol_name
from topformer_cli.engine.metrics import ConfusionMatrix
from topformer_cli.engine.predict import Segmenter, TorchPredictor, normalised
from topformer_cli.engine.tasks import make_task, model_spec
from topformer_cli.errors import DataError, UsageError
from topformer_cli.models.topformer import TopFormer
from topformer_cli.predictor import FloatArray
from topformer_cli.results import EvalResult

SETTINGS = EvalSettings("keep_ratio", (384, 72), 32)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def network(prepared: PreparedSet) -> TopFormer:
    from topformer_cli.engine.train import start_state

    job = make_job(prepared)
    task = make_task(job.recipe, job.prepared, job.spec)
    return start_state(job, task).network.eval()


@pytest.fixture
def segmenter(network: TopFormer, prepared: PreparedSet) -> Segmenter:
    spec = model_spec(make_job(prepared).recipe, prepared.card)
    return Segmenter(TorchPredictor(network, "it", CPU), spec, SETTINGS)


def silent(done: int, total: int) -> None:
    assert 0 < done <= total


def plain_labels(network: TopFormer, image: np.ndarray) -> np.ndarray:
    """The authors' way for a 64x96 picture: to 72x108, up to 96x128, and back through both."""
    assert image.shape == (64, 96, 3)
    resized = cv2.resize(cv2.resize(image, (108, 72)), (128, 96)).astype(np.float32)
    mean, std = np.array([[123.675, 116.28, 103.53], [58.395, 57.12, 57.375]], np.float32)
    pixels = torch.from_numpy(((resized - mean) / std).transpose(2, 0, 1)[None].copy())
    with torch.inference_mode():
        wide = network(pixels)
        for size in ((96, 128), (64, 96)):
            wide = F.interpolate(wide, size=size, mode="bilinear", align_corners=False)
    labels: np.ndarray = wide[0].argmax(0).numpy()
    return labels


def test_scores_are_those_of_the_plain_way(
    network: TopFormer, segmenter: Segmenter, prepared: PreparedSet
) -> None:
    result = evaluate(segmenter, Split(prepared), "mine", silent)
    matrix = ConfusionMatrix(7)
    for index in range(2):
        sample = prepared.sample("val", index)
        labels = plain_labels(network, decode_image(sample.image))
        matrix.add(decode_mask(sample.mask, prepared.card.id_map), labels.astype(np.uint8))
    assert result.found.miou == pytest.approx(matrix.scores().miou, abs=0.05)
    assert result.found.pixel_accuracy == pytest.approx(matrix.scores().pixel_accuracy, abs=0.05)
    assert (result.images, result.split, result.weights) == (2, "val", "mine")
    assert result.classes == prepared.card.classes
    assert result.protocol == (
        "keep_ratio 384x72, sides to multiples of 32; whole image, single scale"
    )


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_counts_do_not_depend_on_the_number_of_threads(
    network: TopFormer, prepared: PreparedSet, threads: int
) -> None:
    spec = model_spec(make_job(prepared).recipe, prepared.card)
    found = []
    for at_once in (1, threads):
        before = torch.get_num_threads()
        torch.set_num_threads(at_once)
        try:
            predictor = TorchPredictor(network, "it", CPU)
            assert predictor.at_once == at_once
            one = Segmenter(Remembering(predictor), spec, SETTINGS)
            evaluate(one, Split(prepared, "train"), "mine", silent)
        finally:
            torch.set_num_threads(before)
        found.append(one.predictor.logits)
    first, second = found
    assert first.keys() == second.keys()
    assert all((first[key] == second[key]).all() for key in first)


class Remembering:
    """A predictor that keeps the logits of every input."""

    def __init__(self, predictor: TorchPredictor) -> None:
        self.predictor = predictor
        self.name, self.at_once = predictor.name, predictor.at_once
        self.logits: dict[bytes, np.ndarray] = {}

    def __call__(self, images: FloatArray) -> FloatArray:
        logits = self.predictor(images)
        self.logits[images.tobytes()] = logits
        return logits


def test_labels_have_the_pictures_size(segmenter: Segmenter) -> None:
    image = np.random.default_rng(0).integers(0, 256, (50, 131, 3), np.uint8)
    labels = segmenter(image)
    assert labels.shape == (50, 131)
    assert labels.dtype == np.uint8
    assert labels.max() < 7


class Damaged:
    """A prepared set of which some images cannot be read, and some masks are coloured."""

    def __init__(
        self, prepared: PreparedSet, images: tuple[int, ...], masks: tuple[int, ...]
    ) -> None:
        self.prepared, self.images, self.masks = prepared, images, masks

    def __getattr__(self, name: str) -> object:
        return getattr(self.prepared, name)

    def sample(self, split: str, index: int) -> Sample:
        found = self.prepared.sample(split, index)
        if index in self.images:
            found = replace(found, image=found.image[:40])
        if index in self.masks:
            found = replace(found, mask=encode_png(np.zeros((64, 96, 3), np.uint8)))
        return found


def test_images_that_cannot_be_read_are_named_and_left_out(
    segmenter: Segmenter, prepared: PreparedSet
) -> None:
    whole = evaluate(segmenter, Split(prepared, "train"), "mine", silent)
    assert whole.incomplete is None
    damaged: Any = Damaged(prepared, (1,), (3,))
    result = evaluate(segmenter, Split(damaged, "train"), "mine", silent)
    first, second = (prepared.sample("train", index).id for index in (1, 3))
    assert result.images == whole.images - 2
    assert [line.split(":")[0] for line in result.left_out] == [first, second]
    assert f"2 of {whole.images} images left out ({first}: " in str(result.incomplete)
    kept = [one for one in whole.by_image if one.id not in (first, second)]
    assert list(result.by_image) == kept
    assert sum(result.found.pixels) == sum(one.labelled for one in kept)
    hits = sum(result.found.confusion[label][label] for label in range(7))
    assert hits == sum(one.right for one in kept)
    record = result.to_json()
    assert list(record["left_out"]) == list(result.left_out)
    assert "by_image" not in record
    assert EvalResult.from_json(json.loads(json.dumps(record))) is not None
    nothing: Any = Damaged(prepared, tuple(range(prepared.length("train"))), ())
    with pytest.raises(DataError, match=r"no image of .* train can be read"):
        evaluate(segmenter, Split(nothing, "train"), "mine", silent)


def test_some_images_come_from_all_parts_of_a_split(
    segmenter: Segmenter, prepared: PreparedSet
) -> None:
    total = prepared.length("train")
    split = Split(prepared, "train", most=2)
    assert (len(split), list(split.indices)) == (2, [0, total // 2])
    result = evaluate(segmenter, split, "mine", silent)
    assert result.images == 2
    assert result.notes == (f"2 of {total} images, from all parts of train",)
    assert len(Split(prepared, "train", most=1000)) == total


class Oracle:
    """Answers with the label of the only picture there is, so that every score is perfect."""

    name = "oracle"
    at_once = 1

    def __init__(self, labels: np.ndarray) -> None:
        self.labels = labels

    def __call__(self, images: FloatArray) -> FloatArray:
        assert images.shape == (1, 3, 64, 96)
        scores: np.ndarray = np.arange(7)[:, None, None] == self.labels
        return scores[None].astype(np.float32)


def perfect(segmenter: Segmenter, prepared: PreparedSet, split: str) -> EvalResult:
    mask = decode_mask(prepared.sample(split, 0).mask, prepared.card.id_map)
    same_size = EvalSettings("stretch", (96, 64), 1)
    oracle = replace(segmenter, predictor=Oracle(mask), settings=same_size)
    only = prepared.sample(split, 0)
    labels = oracle(decode_image(only.image))
    assert np.array_equal(labels, mask)
    return evaluate(oracle, Split(prepared, split), "oracle", silent)


def test_an_oracle_of_one_picture_is_perfect_on_it(
    segmenter: Segmenter, prepared: PreparedSet
) -> None:
    result = perfect(segmenter, prepared, "train")
    assert result.images == 6
    assert 0 < result.found.miou < 100
    assert result.protocol == "stretch 96x64; whole image, single scale"


def test_another_number_of_classes_is_refused(segmenter: Segmenter, prepared: PreparedSet) -> None:
    spec = replace(segmenter.spec, classes=("one", "two"))
    with pytest.raises(DataError, match=r"has 2 classes \(little-scenes\), the set .* has 7"):
        evaluate(replace(segmenter, spec=spec), Split(prepared), "it", silent)


def test_another_order_of_classes_is_refused(segmenter: Segmenter, prepared: PreparedSet) -> None:
    spec = replace(segmenter.spec, classes=segmenter.spec.classes[::-1])
    with pytest.raises(DataError, match="the model's classes in another order: 6 of 7 ids differ"):
        evaluate(replace(segmenter, spec=spec), Split(prepared), "it", silent)


def test_unknown_split_is_refused(segmenter: Segmenter, prepared: PreparedSet) -> None:
    with pytest.raises(DataError, match="no split 'test'; it has train, val"):
        evaluate(segmenter, Split(prepared, "test"), "it", silent)


def test_a_partial_set_says_so(segmenter: Segmenter, prepared: PreparedSet) -> None:
    card = prepared.card.model_copy(update={"expected": {"train": 20210, "val": 2}})
    result = evaluate(segmenter, Split(PreparedSet(prepared.path, card)), "it", silent)
    assert result.notes == ("partial: train 6 of 20210",)


def test_input_is_normalised_per_channel(segmenter: Segmenter) -> None:
    image = np.full((2, 4, 3), (124, 0, 255), np.uint8)
    values = normalised(image, segmenter.spec)
    assert values.shape == (1, 3, 2, 4)
    assert values[0, :, 0, 0] == pytest.approx([0.00557, -2.0357, 2.64], abs=1e-3)


def test_predictor_agrees_with_the_network(network: TopFormer, segmenter: Segmenter) -> None:
    images = np.random.default_rng(0).standard_normal((2, 3, 64, 96), np.float32)
    with torch.inference_mode():
        expected = network(torch.from_numpy(images)).numpy()
    found = segmenter.predictor(images)
    assert found.dtype == np.float32
    assert found == pytest.approx(expected, abs=1e-4 * float(np.abs(expected).max()))


def test_card_of_a_trained_network_comes_from_recipe_and_set(
    job: MakeJob, prepared: PreparedSet
) -> None:
    spec = model_spec(job("model.fuse=full").recipe, prepared.card)
    assert (spec.size, spec.fuse, spec.input_size) == ("tiny", "full", (64, 64))
    assert (spec.dataset, spec.data_terms) == (prepared.card.name, prepared.card.terms)
    assert spec.classes == prepared.card.classes


def test_named_device_is_taken() -> None:
    assert str(resolve_device("cpu")) == "cpu"


def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(UsageError, match="--device cuda:63: torch finds"):
        resolve_device("cuda:63")


def test_auto_takes_what_is_there() -> None:
    expected = "cuda" if torch.cuda.is_available() else "cpu"
    if not torch.backends.mps.is_available():
        assert resolve_device("auto").type == expected


def test_protocol_says_only_what_happens() -> None:
    assert "multiples" not in protocol_name(EvalSettings("stretch", (480, 480), 1))
