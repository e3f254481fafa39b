"""The road from pictures to an exported file, taken once through the command line."""

import contextlib
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.ade20k import make_ade20k
from tests.fakes.box_pictures import make_blocks
from tests.unit.bench.conftest import adb_server, start_device  # noqa: F401 - fixtures
from topformer_cli import cli, console
from topformer_cli.data.scenes import make_scenes

TERMS = "to be trained on in tests, <never> sold"
"""What may be done with the rendered set."""

SHORT = (
    "batch=2", "augment.crop=[64,64]", "schedule.iterations=4", "schedule.warmup=1",
    "evaluation.every=2",
)  # fmt: skip
"""Overrides that make a training a matter of seconds."""

QUICK = ("batch=2", "schedule.iterations=2", "schedule.warmup=1", "evaluation.every=2")
"""The same for detection."""


@dataclass(frozen=True, slots=True)
class Ran:
    """How one command line ended, and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def record(self) -> dict[str, Any]:
        """What stdout holds, which must be JSON and nothing else."""
        record: dict[str, Any] = json.loads(self.out)
        return record


@dataclass(frozen=True, slots=True)
class Road:
    """Folders of one road: runs, cache and raw pictures lie below."""

    folder: Path

    @property
    def runs(self) -> Path:
        return self.folder / "runs"

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    @property
    def latest(self) -> Path:
        return (self.runs / "train" / "latest").resolve()

    @property
    def image(self) -> Path:
        return self.folder / "raw" / "images" / "val" / "scene_0000.jpg"

    def run(self, *words: str | Path, work_dir: bool = True, cache: bool = True) -> Ran:
        """Run one command with this road's folders."""
        line = [str(word) for word in words]
        line += ["--work-dir", str(self.runs)] if work_dir else []
        return run_cli(*line, *(["--cache-dir", str(self.cache)] if cache else []))

    def data(self, *words: str | Path) -> Ran:
        """Run one `data` command."""
        return self.run("data", *words, work_dir=False)

    def train(self, *words: str | Path, overrides: tuple[str, ...] = SHORT) -> Ran:
        """Run a short training."""
        return self.run("train", *words, *(w for text in overrides for w in ("-o", text)))


RunCli = Callable[..., Ran]


def run_cli(*words: str | Path) -> Ran:
    """Run one command line in this process."""
    out, err = io.StringIO(), io.StringIO()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = cli.run([str(word) for word in words])
    finally:
        console.set_verbosity(0)
    return Ran(code, out.getvalue(), err.getvalue())


def prepared_road(folder: Path) -> Road:
    """Render scenes and prepare them as the custom set `little`."""
    road = Road(folder)
    make_scenes(folder / "raw", 6, 2, (64, 96), 0)
    raw = folder / "raw"
    done = road.data(
        "prepare", "little", "--images", raw / "images", "--masks", raw / "masks",
        "--classes", raw / "classes.txt", "--terms", TERMS,
    )  # fmt: skip
    assert done.code == 0, done.err
    return road


@pytest.fixture(scope="session")
def road(tmp_path_factory: pytest.TempPathFactory) -> Road:
    """A prepared set, a finished run on it, and its export."""
    road = prepared_road(tmp_path_factory.mktemp("road"))
    for done in (road.train("little", "--size", "tiny"), road.run("export")):
        assert done.code == 0, done.err
    return road


@pytest.fixture(scope="session")
def boxed(tmp_path_factory: pytest.TempPathFactory) -> Road:
    """The set `blocks`, prepared, and a run on it by its name alone; a picture for `segment`."""
    road = prepared_road(tmp_path_factory.mktemp("boxed"))
    request = make_blocks(road.folder / "blocks", 6, 3)
    assert request.val is not None
    done = road.data(
        "prepare", "blocks", "--images", request.images, "--coco", request.train,
        "--coco-val", request.val,
    )  # fmt: skip
    assert done.code == 0, done.err
    done = road.train("blocks", "--size", "tiny", overrides=QUICK)
    assert done.code == 0, done.err
    return road


@pytest.fixture(scope="session")
def ade20k(tmp_path_factory: pytest.TempPathFactory) -> Road:
    """A little ADE20K in its exact format, prepared and trained on without naming it."""
    road = Road(tmp_path_factory.mktemp("ade20k"))
    make_ade20k(road.folder / "download", 4, 2)
    done = road.data("prepare", "ade20k", "--source", road.folder / "download", "--allow-partial")
    assert done.code == 0, done.err
    small = ("augment.scale=[512,96]", "evaluation.scale=[512,96]", "schedule.iterations=2")
    done = road.train("--size", "tiny", overrides=(*SHORT, *small))
    assert done.code == 0, done.err
    return road


@pytest.fixture
def nowhere(tmp_path: Path) -> Road:
    """A road on which nothing lies yet."""
    return Road(tmp_path)
