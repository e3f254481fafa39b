"""Faults in images with one class each, in ImageNet's own layouts."""

from pathlib import Path

import pytest

from tests.fakes.ilsvrc import make_ilsvrc
from tests.unit.data.checks.conftest import found, only
from topformer_cli.data.catalog import DATASETS
from topformer_cli.data.checks.report import CheckReport
from topformer_cli.data.checks.run import check
from topformer_cli.data.checks.subject import RawSet
from topformer_cli.data.findings import Finding
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
