"""A run's folder gets pictures of a few validation images, and curves, as it goes."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.unit.engine.conftest import Watcher, make_job, prepare_scenes
from topformer_cli import draw
from topformer_cli.api.examples import draw_examples, map_agreement, map_pictures
from topformer_cli.api.watching import DrawingObserver
from topformer_cli.data.store import PreparedSet
from topformer_cli.engine.examples import MapExample
from topformer_cli.engine.train import train
from topformer_cli.rundir import new_run


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> PreparedSet:
    return prepare_scenes(tmp_path_factory.mktemp("scenes"))


def test_a_training_draws_after_each_evaluation(prepared: PreparedSet, tmp_path: Path) -> None:
    run = new_run(tmp_path, "train", "drawn")
    sheets: list[tuple[int, tuple[int, ...]]] = []
    watcher = Watcher()
    observer = DrawingObserver(
        run, prepared.card, watcher, lambda step, sheet: sheets.append((step, sheet.shape))
    )
    train(make_job(prepared), run, observer)
    assert [step for step, _ in sheets] == [4, 6]
    assert list(watcher.pictures) == [4, 6]
    assert run.latest_picture.read_bytes() == run.picture(6).read_bytes()
    with Image.open(run.picture(4)) as image:
        assert (image.height, image.width, 3) == sheets[0][1]
    for name in ("loss.png", "miou.png"):
        with Image.open(run.path / name) as image:
            assert image.width == 1008


def example(truth: Sequence[Sequence[int]], predicted: Sequence[Sequence[int]]) -> MapExample:
    maps = [
        np.kron(np.array(one, np.uint8), np.ones((40, 40), np.uint8)) for one in (truth, predicted)
    ]
    image = np.full((*maps[0].shape, 3), 128, np.uint8)
    return MapExample("one", image, *maps)


@pytest.mark.parametrize(
    ("truth", "predicted", "words"),
    [
        ([[0, 1], [2, 255]], [[0, 1], [0, 0]], "67% of the labelled pixels are right"),
        ([[255, 255]], [[0, 1]], "nothing is labelled"),
    ],
)
def test_agreement_leaves_out_what_is_ignored(
    truth: list[list[int]], predicted: list[list[int]], words: str
) -> None:
    assert map_agreement(example(truth, predicted)) == words


def test_truth_and_prediction_differ_where_labels_do(prepared: PreparedSet) -> None:
    card = prepared.card
    one = example([[0, 1, 2], [2, 2, 255]], [[0, 1, 2], [2, 2, 2]])
    legend = draw.Legend(card.classes, card.palette)
    _, truth, predicted = (np.asarray(picture) for picture in map_pictures(one, legend))
    differs = (truth != predicted).any(axis=2)
    assert differs[41:80, 81:120].all()
    assert not differs[:39].any()
    assert not differs[41:, :79].any()


def test_large_images_of_any_shape_fit_the_sheet(prepared: PreparedSet) -> None:
    rng = np.random.default_rng(0)
    for shape in ((1200, 500), (300, 2000), (20, 30)):
        labels = rng.integers(0, 7, shape).astype(np.uint8)
        image = rng.integers(0, 256, (*shape, 3)).astype(np.uint8)
        sheet = draw_examples([MapExample("x", image, labels, labels)], prepared.card, "heading")
        assert sheet.width <= 1000
        assert Image.open(io.BytesIO(draw.png(sheet))).size == sheet.size
