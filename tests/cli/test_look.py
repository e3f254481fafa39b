"""What `data list`, `data info` and `data show` say of prepared sets of every task."""

import json
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.cli.conftest import TERMS, Ran, Road, prepared_road
from tests.fakes.coco_tree import make_coco
from tests.fakes.ilsvrc import chosen_codes, make_ilsvrc
from topformer_cli import cli

TASKS = ("little", "coco", "imagenet")


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Road:
    """A prepared set of each task: `little`, `coco` and `imagenet`."""
    road = prepared_road(tmp_path_factory.mktemp("look"))
    make_coco(road.folder / "boxes", 8, 3)
    make_ilsvrc(road.folder / "photos", 2, 3, form="folders")
    for name, source in (("coco", "boxes"), ("imagenet", "photos")):
        source_ = road.folder / source
        done = road.data("prepare", name, "--source", source_, "--allow-partial")
        assert done.code == 0, done.err
    return road


def said(done: Ran) -> str:
    assert done.code == 0, done.err
    return done.out


def refused(done: Ran, code: int = 3) -> str:
    assert done.code == code, done.out
    assert done.out == ""
    line = done.err.splitlines()[-1]
    assert line.startswith("topformer: ")
    return line


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture)


def test_list_groups_by_task_and_tells_what_is_prepared(sets: Road) -> None:
    text = said(sets.data("list"))
    assert text.index("detection: boxes") < text.index("COCO 2017, detection")
    rows = {line.split()[0]: line.split()[-1] for line in text.splitlines() if line.strip()}
    assert (rows["little"], rows["coco"], rows["ade20k"]) == ("yes", "partial", "no")
    records = {one["name"]: one for one in json.loads(said(sets.data("list", "--json")))["sets"]}
    assert records["coco"]["state"] == "partial"
    assert records["coco"]["partial"] == "partial: train 8 of 118287, val 3 of 5000"
    assert records["imagenet"]["task"] == "classification"
    assert records["ade20k"]["state"] == "not prepared"
    assert records["little"]["terms"] == TERMS


def test_a_damaged_set_is_listed_as_such_and_hides_no_other(sets: Road, tmp_path: Path) -> None:
    road = Road(tmp_path)
    shutil.copytree(sets.cache, road.cache)
    (road.cache / "data" / "coco" / "card.json").write_text("{")
    done = road.data("list")
    assert "damaged" in said(done)
    assert "little" in done.out
    assert "coco" in done.err
    assert "prepare the set again with --force" in done.err
    records = {one["name"]: one for one in json.loads(said(road.data("list", "--json")))["sets"]}
    assert records["coco"]["state"] == "damaged"
    assert "card.json is damaged" in records["coco"]["problem"]


@pytest.mark.parametrize("name", TASKS)
def test_info_has_everything_of_a_set(sets: Road, name: str) -> None:
    text = said(sets.data("info", name))
    record = json.loads(said(sets.data("info", name, "--json")))
    for label in ("task", "terms", "source", "folder", "fingerprint", "weight"):
        assert any(line.startswith(f"{label} ") for line in text.splitlines()), label
    assert record["fingerprint"] in text
    assert record["terms"] in " ".join(text.split())
    assert record["path"] in text
    assert all(warning in " ".join(text.split()) for warning in record["warnings"])
    first = record["classes"][0]
    assert set(first["splits"]) == {"train", "val"}
    assert first["weight"] > 0
    assert sum(one["splits"]["train"]["share"] for one in record["classes"]) == pytest.approx(1)
    for one in record["classes"]:
        assert 0 <= one["splits"]["train"]["image_share"] <= 1


def test_info_of_masks_has_shares_of_pixels_and_images(sets: Road) -> None:
    record = json.loads(said(sets.data("info", "little", "--json")))
    road = next(one for one in record["classes"] if one["name"] == "road")
    line = next(line for line in said(sets.data("info", "little")).splitlines() if "road" in line)
    words = line.split()
    assert words[0] == str(road["train_id"])
    assert words[2] == f"{road['splits']['train']['share']:.2%}"
    assert words[3] == f"{road['splits']['train']['image_share']:.2%}"
    assert words[-1] == f"{road['weight']:.2f}"


def test_info_of_boxes_tells_quartiles_crowds_and_images_without(sets: Road) -> None:
    text = said(sets.data("info", "coco"))
    record = json.loads(said(sets.data("info", "coco", "--json")))
    labels = record["splits"]["train"]["labels"]
    low, first, middle, third, high = labels["objects"]
    expected = f"train {low} to {high}, median {middle}, half of the images {first} to {third}"
    assert expected in " ".join(text.split())
    row = next(line.split() for line in text.splitlines() if line.startswith(" train"))
    assert row[-3:] == [str(sum(labels["counts"])), str(labels["ignored"]), str(labels["empty"])]
    assert labels["ignored"] > 0
    assert labels["empty"] > 0
    assert record["classes"][11]["code"] == "13"


def test_info_sorts_and_cuts_the_classes(sets: Road) -> None:
    text = said(sets.data("info", "imagenet", "--sort", "share", "--top", "3"))
    assert "and 997 more; --top 1000 shows all" in text
    assert all(code in text for code in chosen_codes(3))
    names = json.loads(said(sets.data("info", "coco", "--sort", "name", "--top", "2", "--json")))
    assert [one["name"] for one in names["classes"]] == ["airplane", "apple"]


@pytest.mark.parametrize(
    "words", ["list", "info little", "info coco", "info imagenet --top 9 --sort share"]
)
def test_eighty_columns_are_enough(
    sets: Road, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert cli.run(["data", *words.split(), "--cache-dir", str(sets.cache)]) == 0
    text = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    paths = ("source ", "folder ")
    lines = [line for line in text.splitlines() if not line.startswith(paths)]
    assert max(map(len, lines)) <= 80
    cells = {cell for line in lines for cell in line.split()}
    assert {"list": "pascal-context-59", "info": "median-frequency"}[words.split()[0]] in cells


def test_a_set_is_named_by_its_folder_too(sets: Road, tmp_path: Path) -> None:
    folder = sets.cache / "data" / "little"
    moved = Path(shutil.copytree(folder, tmp_path / "elsewhere"))
    nowhere = Road(tmp_path)
    assert f"folder       {moved}" in said(nowhere.data("info", moved))
    target = tmp_path / "sheet.png"
    assert said(nowhere.data("show", moved, "--count", "1", "-o", target)) == f"{target}\n"


@pytest.mark.parametrize("name", TASKS)
def test_show_draws_every_task_the_same_way_each_time(
    sets: Road, name: str, tmp_path: Path
) -> None:
    for target, seed in (("a.png", 3), ("b.png", 3), ("c.png", 4)):
        words = ("--seed", str(seed), "--count", "3", "-o", tmp_path / target)
        assert said(sets.data("show", name, *words)) == f"{tmp_path / target}\n"
    one, same, other = (pixels(tmp_path / target) for target in ("a.png", "b.png", "c.png"))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
    assert len(np.unique(one.reshape(-1, 3), axis=0)) > 20


def test_show_writes_here_or_into_a_folder(
    sets: Road, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = sets.cache / "data" / "little"
    assert said(sets.data("show", folder, "--split", "val")) == "little-val.png\n"
    (tmp_path / "sheets").mkdir()
    done = sets.data("show", "coco", "-o", tmp_path / "sheets")
    assert said(done) == f"{tmp_path / 'sheets' / 'coco-train.png'}\n"
    assert sorted(path.name for path in tmp_path.rglob("*.png")) == [
        "coco-train.png",
        "little-val.png",
    ]


def test_show_by_id_and_by_class(sets: Road, tmp_path: Path) -> None:
    target = tmp_path / "sheet.png"
    ids = "scene_0002,scene_0000"
    said(sets.data("show", "little", "--ids", ids, "-o", target, "--columns", "2"))
    wide = pixels(target).shape[1]
    said(sets.data("show", "little", "--ids", ids, "-o", target, "--columns", "1"))
    assert pixels(target).shape[1] < wide
    record = json.loads(said(sets.data("info", "coco", "--sort", "share", "--json")))
    boxes = record["classes"][0]["name"]
    for name, word in (("little", "Road"), ("coco", boxes), ("imagenet", chosen_codes(3)[1])):
        said(sets.data("show", name, "--class", word, "-o", target))


def test_show_tells_what_it_cannot_find(sets: Road, tmp_path: Path) -> None:
    show = ("show", "little", "-o", tmp_path / "sheet.png")
    line = refused(sets.data(*show, "--class", "raod"))
    assert "little has no class 'raod'; did you mean 'road'?" in line
    line = refused(sets.data("show", "imagenet", "--class", "goldfish", "-o", tmp_path))
    assert "imagenet train has no image with goldfish" in line
    line = refused(sets.data(*show, "--ids", "scene_0004", "--split", "val"))
    assert "little val has no image 'scene_0004'; add --split train" in line
    line = refused(sets.data(*show, "--ids", "nobody"))
    assert "ids are such as 'scene_0000'" in line
    assert "has no split 'test'" in refused(sets.data(*show, "--split", "test"))
    line = refused(sets.data(*show, "--ids", "a", "--class", "road"), 2)
    assert "give one of them" in line
    line = refused(sets.data("show", "little", "-o", tmp_path / "sheet.jpg"), 2)
    assert "name a .png file or a folder" in line
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    line = refused(sets.data("show", "little", "-o", tmp_path / "file" / "sheet.png"), 2)
    assert "sheet.png: cannot be written (" in line
    assert "lists them" in refused(sets.data(*show, "--class", "11"))


def test_names_without_letters_here_are_told(tmp_path: Path) -> None:
    road = Road(tmp_path)
    raw = tmp_path / "raw"
    for kind in ("images", "masks"):
        for split in ("train", "val"):
            (raw / kind / split).mkdir(parents=True)
            name = "é.png" if kind == "masks" else "é.jpg"
            shape = (8, 8) if kind == "masks" else (8, 8, 3)
            Image.fromarray(np.zeros(shape, np.uint8)).save(raw / kind / split / name)
    done = road.data(
        "prepare", "odd", "--images", raw / "images", "--masks", raw / "masks",
        "--classes", "Straße,\u0378",
    )  # fmt: skip
    assert done.code == 0, done.err
    done = road.data("show", "odd", "-o", tmp_path / "odd.png")
    assert said(done) == f"{tmp_path / 'odd.png'}\n"
    assert "1 class names, which are written \u0378 as class 1" in done.err
