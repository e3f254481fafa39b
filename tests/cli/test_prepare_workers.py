"""`data prepare --workers`: as many processes as one likes, for the same set."""

from pathlib import Path

from tests.cli.conftest import Road
from tests.fakes.pictures import make_custom


def test_processes_prepare_the_same_set(tmp_path: Path) -> None:
    custom = make_custom(tmp_path / "raw", 150, 3)
    words = (
        "prepare", "crowded", "--images", custom.images, "--masks", custom.masks,
        "--classes", custom.classes, "--json",
    )  # fmt: skip
    alone = Road(tmp_path / "alone").data(*words)
    crew = Road(tmp_path / "crew").data(*words, "--workers", "2")
    assert (alone.code, crew.code) == (0, 0), crew.err
    assert alone.record == crew.record
    again = Road(tmp_path / "crew").data(*words[:-1], "--workers", "3")
    assert again.out.startswith("crowded: already prepared, 150 train, 3 val images")


def test_no_worker_is_no_way_to_work(tmp_path: Path) -> None:
    done = Road(tmp_path).data("prepare", "x", "--workers", "0")
    assert (done.code, "--workers" in done.err) == (2, True)
