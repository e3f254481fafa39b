"""The first training images are drawn as the training gets them, whatever the task."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.fakes.coco_tree import make_coco
from tests.fakes.ilsvrc import make_ilsvrc
from tests.unit.engine.conftest import make_job, prepare_scenes
from topformer_cli import draw
from topformer_cli.api.batch_picture import CELL, SHOWN, draw_first_batch, first_images
from topformer_cli.data.catalog import DATASETS
from topformer_cli.data.prepare import prepare
from topformer_cli.data.sources.published import KnownRequest
from topformer_cli.data.store import PreparedSet
from topformer_cli.engine.feed import FeedOptions
from topformer_cli.engine.job import TrainJob
from topformer_cli.engine.tasks import make_task, model_spec
from topformer_cli.recipe import Choices, load_recipe

DETECTION = ("batch=3", "augment.scale=[96,64]", "augment.least_short=48")
MIXED = ("batch=4", "augment.crop=[64,64]", "augment.mixup=0.5")


def published(name: str, root: Path, cache: Path) -> PreparedSet:
    prepare(KnownRequest(spec=DATASETS[name], folder=root, cache_dir=cache, allow_partial=True))
    return PreparedSet.open(name, cache)


def job_of(recipe_name: str, prepared: PreparedSet, *overrides: str) -> TrainJob:
    recipe = load_recipe(recipe_name, Choices("tiny", None, overrides))
    options = FeedOptions(device=torch.device("cpu"))
    return TrainJob(recipe, prepared, model_spec(recipe, prepared.card), options)


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, TrainJob]:
    folder = tmp_path_factory.mktemp("sets")
    coco = published("coco", make_coco(folder / "coco", 7, 2), folder)
    imagenet = published("imagenet", make_ilsvrc(folder / "ilsvrc", 4, 3, 3, "folders"), folder)
    scenes = prepare_scenes(folder)
    return {
        "segmentation": make_job(scenes, "batch=4"),
        "detection": job_of("coco-retinanet", coco, *DETECTION),
        "classification": job_of("imagenet", imagenet, *MIXED),
    }


@pytest.mark.parametrize("task", ["segmentation", "detection", "classification"])
def test_images_and_labels_are_those_of_the_first_step(
    task: str, jobs: dict[str, TrainJob]
) -> None:
    job = jobs[task]
    ids, shown = first_images(job)
    feed = make_task(job.recipe, job.prepared, job.spec).feed(job.options)
    ((trained,),) = feed.batches(0, 1)
    assert ids == feed.ids(0)
    assert len(shown) == len(trained.tensors)
    for one, other in zip(shown, trained.tensors, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("task", ["segmentation", "classification"])
def test_the_first_stands_at_the_top_left(task: str, jobs: dict[str, TrainJob]) -> None:
    _, (images, *_) = first_images(jobs[task])
    first = Image.fromarray(images[0].numpy())
    wanted = np.asarray(first.resize(draw.fit(first.size, CELL)), float)
    sheet = np.asarray(draw_first_batch(jobs[task]).convert("RGB"), float)
    height, width = wanted.shape[:2]
    below = (sheet[top : top + height, 16 : 16 + width] for top in range(40, 140))
    assert min(np.abs(one - wanted).mean() for one in below) < 3


def test_boxes_stand_in_the_colours_of_their_classes(jobs: dict[str, TrainJob]) -> None:
    job = jobs["detection"]
    _, (_, boxes, categories, *_) = first_images(job)
    assert len(boxes)
    sheet = np.asarray(draw_first_batch(job).convert("RGB")).reshape(-1, 3)
    palette = np.array(job.prepared.card.palette)[categories.unique().numpy()]
    assert {*map(tuple, palette.tolist())} <= {*map(tuple, np.unique(sheet, axis=0).tolist())}


def test_of_a_large_batch_as_many_as_a_sheet_holds(jobs: dict[str, TrainJob]) -> None:
    job = jobs["segmentation"]
    large = make_job(job.prepared, "batch=64", "pixels=device")
    ids, (images, labels) = first_images(large)
    assert len(ids) == SHOWN
    assert images.shape == (SHOWN, 64, 64, 3)
    assert labels.shape == (SHOWN, 64, 64)
