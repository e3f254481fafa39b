"""`topformer eval --predictions FOLDER`: somebody's label maps get the scores of a network's."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.cli.conftest import Road, prepared_road, run_cli
from tests.cli.test_road import quietly
from tests.fakes.label_maps import NAMES, LabelMaps, train_ids
from topformer_cli.data.decode import decode_ids
from topformer_cli.data.store import PreparedSet
from topformer_cli.engine.metrics import IGNORE, ConfusionMatrix


@pytest.fixture
def maps(tmp_path: Path) -> LabelMaps:
    return LabelMaps(tmp_path)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Road:
    """The prepared set `little`, and a folder with its own masks as label maps."""
    road = prepared_road(tmp_path_factory.mktemp("scenes"))
    prepared = PreparedSet.open("little", road.cache)
    folder = road.folder / "maps"
    folder.mkdir()
    for index, name in enumerate(prepared.ids("val")):
        values = decode_ids(prepared.sample("val", index).mask)
        values[values == IGNORE] = 0
        Image.fromarray(values).save(folder / f"{name}-labels.png")
    return road


def score_scenes(scenes: Road, *words: str | Path) -> list[str | Path]:
    return ["eval", "--predictions", scenes.folder / "maps", "--dataset", "little", *words]


def test_scores_are_those_of_a_plain_count(maps: LabelMaps) -> None:
    record = quietly(maps.score("--json")).record
    matrix = ConfusionMatrix(150)
    for mask in maps.masks.values():
        labels = np.where(mask == 0, IGNORE, mask - np.uint8(1)).astype(np.uint8)
        matrix.add(labels, train_ids(np.roll(mask, 1, axis=1)))
    scores = matrix.scores()
    assert (record["miou"], record["pixel_accuracy"]) == (scores.miou, scores.pixel_accuracy)
    assert record["iou"] == list(scores.iou)
    assert record["pixels"] == list(scores.pixels)
    assert (record["images"], record["ids"], record["left_out"]) == (3, "train", [])
    assert (record["dataset"], record["split"]) == ("ade20k", None)
    assert (record["predictions"], record["annotations"]) == (str(maps.maps), str(maps.truth))
    assert record["notes"] == []
    assert sum(one["classes"] for one in record["miou_by_share"]) == 5
    assert "confusion" not in record


def test_the_sets_own_ids_are_told_apart(maps: LabelMaps) -> None:
    for path in maps.maps.iterdir():
        path.unlink()
    for name, mask in maps.masks.items():
        maps.write(name, mask)
    assert quietly(maps.score("--ids", "set", "--json")).record["miou"] == 100.0
    for name, mask in maps.masks.items():
        maps.write(name, np.clip(mask, 1, 149))
    done = quietly(maps.score())
    assert "read as train ids: what made them is not known" in done.out
    assert "note: read as the data set's own ids (--ids set), " in done.out
    assert "and no pixel has the value 0" in done.out
    assert "(--ids set)" not in quietly(maps.score("--ids", "set")).out


def test_train_ids_that_are_read_as_the_sets_own_are_noted(maps: LabelMaps) -> None:
    notes = quietly(maps.score("--ids", "set", "--json")).record["notes"]
    assert "of the labelled pixels have no class in the maps: they count as wrong" in notes[0]
    assert notes[1].startswith("read as train ids (--ids train), ")


def test_a_prepared_set_is_the_truth(scenes: Road) -> None:
    done = quietly(scenes.run(*score_scenes(scenes, "--sort", "pixels")))
    lines = [line.rstrip() for line in done.out.splitlines()]
    assert lines[0] == "label maps of maps in little val (2 images)"
    assert lines[2].split() == ["class", "pixels", "IoU", "accuracy"]
    assert "mIoU 100.00   pixel accuracy 100.00" in done.out
    assert "mIoU by share of the pixels: at least 1 % (" in done.out
    record = quietly(scenes.run(*score_scenes(scenes, "--json"))).record
    assert (record["dataset"], record["split"], record["annotations"]) == ("little", "val", None)
    assert scenes.run(*score_scenes(scenes, "--fail-under", "100")).code == 0


def test_a_threshold_ends_with_7(maps: LabelMaps) -> None:
    done = maps.score("--fail-under", "99")
    assert done.code == 7
    assert done.err.splitlines()[-1].endswith("is below --fail-under 99")


def test_missing_maps_are_told_after_the_rest_is_scored(maps: LabelMaps) -> None:
    maps.path(NAMES[0]).unlink()
    done = maps.score("--json", "--fail-under", "99")
    assert done.code == 3
    told = f"1 of 3 images left out ({NAMES[0]}: no label map)"
    assert f"{told}; add maps" in done.err.splitlines()[-1]
    assert done.record["left_out"] == [f"{NAMES[0]}: no label map"]
    assert done.record["images"] == 2
    shown = " ".join(maps.score().out.split())  # a title with a long path is broken somewhere
    assert "(2 of 3 images)" in shown
    assert f"incomplete: {told}; the scores are of the others alone" in shown


def test_files_of_no_image_are_left_out_and_noted(maps: LabelMaps) -> None:
    maps.write("other", np.zeros((2, 2), np.uint8))
    (maps.maps / "readme.txt").write_text("no map")
    (note,) = quietly(maps.score("--json")).record["notes"]
    assert note == "of no image, and left out: 1 PNG files (other.png)"


def test_where_nothing_is_labelled_there_is_no_score(maps: LabelMaps, tmp_path: Path) -> None:
    for name, mask in maps.masks.items():
        Image.fromarray(np.zeros_like(mask)).save(maps.truth / f"{name}.png")
    done = quietly(maps.score("--output", tmp_path / "seen"))
    assert "no pixel is labelled: there is no score" in done.out
    assert "nan" not in done.out
    assert "0.00" not in done.out
    assert quietly(maps.score("--json")).record["miou"] is None
    done = maps.score("--fail-under", "1")
    assert done.code == 7
    assert "nothing is labelled: there is no mIoU for --fail-under 1" in done.err
    assert (tmp_path / "seen" / "confusion.png").is_file()


def test_the_confusion_is_drawn_and_counted(maps: LabelMaps, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "seen"
    done = quietly(maps.score("--output", folder, "--json"))
    with (folder / "confusion.csv").open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    assert header[:3] == ["label \\ prediction", "wall", "building"]
    assert [sum(map(int, row[1:])) for row in rows] == done.record["pixels"]
    with Image.open(folder / "confusion.png") as picture:
        picture.verify()
        assert picture.format == "PNG"
    assert "confusion.png, counts in confusion.csv" in done.err
    assert {path.name for path in folder.iterdir()} == {"confusion.png", "confusion.csv"}


def test_folders_of_images_need_not_be_repeated(tmp_path: Path) -> None:
    truth, found = tmp_path / "masks", tmp_path / "maps"
    values = np.ones((4, 4), np.uint8)
    for name in ("bonn/a", "bonn/b", "ulm/b"):
        (truth / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(values).save(truth / f"{name}.png")
    (found / "ulm").mkdir(parents=True)
    for name in ("a-labels", "b", "ulm/b"):
        Image.fromarray(values).save(found / f"{name}.png")
    done = run_cli(
        "eval", "--predictions", found, "--annotations", truth, "--recipe", "ade20k",
        "--ids", "set", "--json",
    )  # fmt: skip
    assert done.record["left_out"] == ["bonn/b: no label map"]
    assert done.record["notes"] == ["of no image, and left out: 1 PNG files (b.png)"]


@pytest.mark.parametrize("name", ["coco-stuff-164k", "ade20k-448"])
def test_a_recipe_names_its_set(maps: LabelMaps, name: str) -> None:
    done = run_cli(
        "eval", "--predictions", maps.truth, "--annotations", maps.truth, "--recipe", name,
        "--ids", "set", "--json",
    )  # fmt: skip
    assert (done.code, done.record["miou"]) == (0, 100.0)


def test_the_devkits_samples_have_the_score_that_it_prints(shared: Path) -> None:
    """Perfect predictions of its three samples: 0.1000, for 15 of 150 classes occur in them."""
    masks = shared / "data" / "ade20k_sample" / "annotations"
    done = run_cli(
        "eval", "--predictions", masks, "--annotations", masks, "--recipe", "ade20k",
        "--ids", "set", "--json",
    )  # fmt: skip
    record = json.loads(done.out)
    assert f"{record['miou_devkit'] / 100:.4f}" == "0.1000"
    assert (record["miou"], record["pixel_accuracy"]) == (100.0, 100.0)
