"""`eval` by other protocols and of exported files; what is left of it, and its mistakes."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from tests.cli.conftest import Ran, Road
from tests.cli.test_mistakes import refused
from tests.cli.test_road import quietly


def well(done: Ran) -> Ran:
    assert done.code == 0, done.err
    return done


def export_of(road: Road, suffix: str) -> Path:
    (manifest,) = (path for path in (road.latest / "export").glob("*64x64.json"))
    return manifest.with_suffix(suffix)


def test_protocols_and_looks_are_named_in_the_result(road: Road) -> None:
    usual = quietly(road.run("eval", "--json")).record
    assert usual["protocol"].startswith("own: keep_ratio ")
    assert usual["protocol"].endswith("; whole image, single scale")
    words = ("--scales", "0.5,1", "--flip", "--window", "64")
    record = quietly(road.run("eval", *words, "--json")).record
    assert record["protocol"].endswith("; windows of 64x64 every 42, scales 0.5, 1, flipped too")
    names = {path.name for path in road.latest.glob("eval-*.json")}
    assert {"eval-little-val.json", "eval-little-val-scales-0.5-1-flip-window-64-42.json"} <= names


def test_pictures_of_an_evaluation_lie_in_the_run_or_where_they_are_wanted(
    road: Road, tmp_path: Path
) -> None:
    done = well(road.run("eval"))
    assert f"worst images: {road.latest / 'eval-little-val' / 'worst.png'}" in done.err
    well(road.run("eval", "--output", tmp_path / "seen"))
    assert {path.name for path in (tmp_path / "seen").iterdir()} == {
        "confusion.png", "confusion.csv", "worst.png",
    }  # fmt: skip
    with Image.open(tmp_path / "seen" / "worst.png") as sheet:
        assert sheet.width > 1200
    with (tmp_path / "seen" / "confusion.csv").open(encoding="utf-8") as file:
        rows = list(csv.reader(file))
    record = json.loads((road.latest / "eval-little-val.json").read_text())
    counts = np.array([row[1:] for row in rows[1:]], np.int64)
    assert counts.sum() == sum(record["pixels"])


@pytest.mark.parametrize("suffix", [".onnx", ".tnnproto", ".json"])
def test_an_exported_file_is_measured_beside_its_network(road: Road, suffix: str) -> None:
    path = export_of(road, suffix)
    record = quietly(road.run("eval", path, "--json")).record
    assert record["protocol"] == "fixed: stretch 64x64; whole image, single scale"
    assert record["beside"]["what"].endswith("best.safetensors in PyTorch")
    assert abs(record["miou_difference"]) < 0.2
    assert (record["images"], record["dataset"]) == (2, "little")
    shown = well(road.run("eval", path, "--fit", "letterbox", "--images", "1")).out
    assert "fixed: letterbox 64x64" in shown
    assert "in PyTorch by the same protocol: mIoU " in shown
    assert "note: 1 of 2 images, from all parts of val" in shown
    name = f"eval-little-val-{path.name}-letterbox-1-images.json"
    assert (road.latest / name).is_file()


def test_an_export_away_from_its_run_needs_to_be_told_what_it_was(
    road: Road, tmp_path: Path
) -> None:
    for path in export_of(road, ".json").parent.glob("*64x64.*"):
        shutil.copy(path, tmp_path)
    path = tmp_path / export_of(road, ".onnx").name
    done = well(road.run("eval", path))
    assert "not held against PyTorch: " in done.out
    assert "name it with --against" in done.out
    record = quietly(road.run("eval", path, "--against", road.latest, "--json")).record
    assert record["beside"]["miou"] == pytest.approx(record["miou"], abs=0.2)
    assert list(tmp_path.glob("eval*")) == []


def test_what_is_of_no_run_is_kept_under_its_content(road: Road, tmp_path: Path) -> None:
    mine, other = tmp_path / "mine.safetensors", tmp_path / "other" / "mine.safetensors"
    other.parent.mkdir()
    shutil.copy(road.latest / "checkpoints" / "best.safetensors", mine)
    with safe_open(mine, "pt") as file:
        said = {**file.metadata(), "said": "the same weights, in a file that differs"}
    save_file(load_file(mine), other, said)
    words = ("--work-dir", tmp_path / "runs")
    for file in (mine, mine, other):
        done = well(road.run("eval", "--weights", file, *words, work_dir=False))
    kept = sorted((tmp_path / "runs" / "eval").glob("mine-*/eval-little-val.json"))
    assert len(kept) == 2
    assert f"kept as {kept[0]}" in done.err or f"kept as {kept[1]}" in done.err
    weights = {json.loads(path.read_text())["weights"] for path in kept}
    assert weights == {str(mine), str(other)}
    assert all((path.with_suffix("") / "worst.png").is_file() for path in kept)
    well(road.run("report", *words, "--output", tmp_path / "page", work_dir=False, cache=False))
    assert str(mine) in (tmp_path / "page" / "report.md").read_text()


def test_a_torn_copy_of_a_set_takes_the_place_of_no_record(road: Road, tmp_path: Path) -> None:
    well(road.run("eval"))
    whole = (road.latest / "eval-little-val.json").read_bytes()
    folder = shutil.copytree(next(road.cache.glob("*/little")), tmp_path / "copy")
    (shard,) = (path for path in (folder / "val").iterdir() if path.suffix == ".arrow")
    content = bytearray(shard.read_bytes())
    start = content.index(b"JFIF")  # of a picture
    content[start : start + 40] = bytes(40)
    shard.write_bytes(content)
    done = road.run("eval", "--dataset", folder)
    assert done.code == 3
    assert "1 of 2 images left out (scene_0000: the image cannot be decoded)" in done.err
    assert (road.latest / "eval-little-val.json").read_bytes() == whole
    (record,) = road.latest.glob("eval-little-val-*-incomplete.json")
    assert json.loads(record.read_text())["images"] == 1
    assert (record.with_suffix("") / "confusion.csv").is_file()
    record.unlink()
    shutil.rmtree(record.with_suffix(""))


def test_label_maps_and_bytes_are_evaluated_too(road: Road, tmp_path: Path) -> None:
    words = ("--format", "onnx", "--output", "labels", "--input-type", "uint8")
    exported = quietly(road.run("export", *words, "--output-dir", tmp_path, "--json")).record
    path = tmp_path / f"{exported['name']}.onnx"
    record = quietly(road.run("eval", path, "--against", road.latest, "--json")).record
    assert abs(record["miou_difference"]) < 3  # labels are stretched, logits interpolated


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--stride", "9"), "--stride 9: it is between windows; give --window, too"),
        (("--window", "500"), "--window 500: windows have multiples of 32 pixels, such as 512"),
        (("--window", "64", "--stride", "65"), "--stride 65: leaves gaps between windows of 64"),
        (("--fit", "letterbox"), "--fit: goes with an exported file, or with --phone"),
        (("--images", "3"), "--images: goes with an exported file, or with --phone"),
        (("--protocol", "paper"), "recipe little has no such protocol"),
    ],
)
def test_options_that_say_nothing_are_refused(
    road: Road, words: tuple[str, ...], said: str
) -> None:
    assert said in refused(road.run("eval", *words), 2)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--flip",), "--flip: has no meaning for an exported file"),
        (("--runner", "/bin/true"), "--runner: goes with --phone SERIAL"),
        (("--size", "tiny"), "--size: of no use with an exported file"),
    ],
)
def test_options_of_networks_are_refused_for_files(
    road: Road, words: tuple[str, ...], said: str
) -> None:
    assert said in refused(road.run("eval", export_of(road, ".onnx"), *words), 2)


@pytest.mark.parametrize("value", ["a", "0", "-1", "inf", "1,1", "9"])
def test_scales_that_are_none(road: Road, value: str) -> None:
    done = road.run("eval", "--scales", value)
    assert done.code == 2
    assert "--scales" in done.err


def test_a_detector_does_not_look_twice(boxed: Road) -> None:
    run = boxed.runs / "train" / "blocks-tiny-001"
    line = refused(boxed.run("eval", run, "--flip"), 2)
    assert "--scales, --flip, --window: only for segmentation" in line
    assert "no such protocol" in refused(boxed.run("eval", run, "--protocol", "paper"), 2)
