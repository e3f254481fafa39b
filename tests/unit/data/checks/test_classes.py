"""Faults in images with one class each, in ImageNet's own layouts and in folders of one's own."""

from pathlib import Path

import numpy as np
import pytest

from tests.fakes.class_folders import make_class_folders
from tests.fakes.ilsvrc import make_ilsvrc
from tests.fakes.pictures import noise_image, write_jpeg
from tests.unit.data.checks.conftest import found, only
from topformer_cli.data.catalog import DATASETS
from topformer_cli.data.checks.report import CheckReport
from topformer_cli.data.checks.run import check
from topformer_cli.data.checks.subject import RawSet
from topformer_cli.data.findings import Finding
from topformer_cli.data.sources.class_folders import ClassRequest, class_source
from topformer_cli.data.sources.published import KnownRequest, published_source

ABSENT = ("note", 2 * 997)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_ilsvrc(tmp_path, 3, 6, classes=3, form="folders")


def checked(root: Path) -> CheckReport:
    faults = list[Finding]()
    request = KnownRequest(spec=DATASETS["imagenet"], folder=root, cache_dir=root / "cache")
    source = published_source(request, faults)
    return check(RawSet(source, tuple(faults), allow_partial=True))


def test_classes_without_images_are_counted(root: Path) -> None:
    report = checked(root)
    assert found(report) == {"count": ("note", 2), "absent": ABSENT}
    assert "train lacks 997 of 1000 classes" in only(report, "absent")


def test_unreadable_images_and_folders_of_no_class(root: Path) -> None:
    first, second, *_ = sorted((root / "train").rglob("*.JPEG"))
    first.write_bytes(b"")
    second.write_bytes(second.read_bytes()[:300])
    (root / "train" / "cats").mkdir()
    report = checked(root)
    assert found(report) == {
        "count": ("note", 2),
        "folder": ("wrong", 1),
        "empty": ("wrong", 1),
        "unreadable": ("wrong", 1),
        "absent": ABSENT,
    }
    assert "train/cats is named like no class" in only(report, "folder")


def test_the_same_image_in_both_parts_of_a_published_set_is_a_note(root: Path) -> None:
    image = next((root / "train").rglob("*.JPEG"))
    other = next((root / "val").rglob("*.JPEG"))
    other.write_bytes(image.read_bytes())
    assert found(checked(root))["in-two-splits"] == ("note", 1)


@pytest.fixture
def own(tmp_path: Path) -> ClassRequest:
    folders = {"train/rose": 3, "train/tulip": 2, "val/rose": 1, "val/tulip": 2}
    return make_class_folders(tmp_path / "own", folders)


def checked_own(request: ClassRequest) -> CheckReport:
    faults = list[Finding]()
    source = class_source(request, faults)
    return check(RawSet(source, tuple(faults)))


def test_sound_folders_of_ones_own(own: ClassRequest) -> None:
    report = checked_own(own)
    assert found(report) == {}
    assert report.images == 8
    titles = [line.check.title for line in report.lines]
    assert "classes without pictures" in titles
    assert "same image in two splits" in titles


def test_all_faults_of_ones_own_are_gathered(own: ClassRequest) -> None:
    root = own.images
    (root / "val/rose").rename(root / "val/Rose")
    (root / "train/lily").mkdir()
    (root / "val/tulip/000.jpg").write_bytes((root / "train/tulip/001.jpg").read_bytes())
    (root / "train/tulip/000.jpg").write_bytes(b"GIF89a")
    (root / "train/rose/002.jpg").write_bytes((root / "train/rose/001.jpg").read_bytes())
    write_jpeg(root / "train/rose/000.jpg", noise_image(np.random.default_rng(1)), orientation=6)
    (root / "train/stray.jpg").write_bytes(b"")
    (root / "train/rose/Thumbs.db").write_bytes(b"")
    report = checked_own(own)
    assert found(report) == {
        "twice": ("wrong", 1),
        "no-picture": ("wrong", 1),
        "stray": ("note", 1),
        "left-out": ("note", 1),
        "unreadable": ("wrong", 1),
        "exif": ("note", 1),
        "in-two-splits": ("wrong", 1),
        "repeated": ("note", 1),
        "absent": ("note", 4),
    }
    assert "by case" in only(report, "twice")
    assert "lily holds no picture" in only(report, "no-picture")
