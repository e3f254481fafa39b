"""A sweep on this host: what is there is not measured again, and what fails is told."""

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from topformer_cli.api.benching import BenchChoices
from topformer_cli.api.places import Places
from topformer_cli.api.sweeping import SweepChoices, SweepView, Swept, sweep
from topformer_cli.bench.protocol import Protocol
from topformer_cli.errors import DataError, UsageError

QUICK = Protocol(warmup=0, warmup_s=0, rounds=1, iterations=2, round_s=0)


class Seen(SweepView):
    """Keeps what a sweep tells."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.held: list[str] = []
        self.failures: list[str] = []

    def begins(self, number: int, total: int, what: str) -> None:
        assert 1 <= number <= total
        self.begun.append(what)

    def reused(self, what: str) -> None:
        self.held.append(what)

    def failed(self, what: str) -> None:
        self.failures.append(what)


class Interrupted(Seen):
    """Presses Ctrl-C when the second point is under way."""

    def advance(self, done: float, total: float, text: str) -> None:
        assert text or done == total
        if len(self.begun) == 2:
            raise KeyboardInterrupt


def choices_in(folder: Path, *, protocol: Protocol = QUICK) -> SweepChoices:
    places = Places(folder / "runs", folder / "cache")
    bench = BenchChoices(devices=("host",), protocol=protocol, places=places)
    return SweepChoices(
        sizes=("tiny",), inputs=((32, 32), (32, 64)), engines=("onnxruntime",), bench=bench
    )


@dataclass(frozen=True)
class Done:
    """A sweep that was interrupted and started again, in its folder."""

    folder: Path
    first: Interrupted
    second: Seen
    swept: Swept


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    folder = tmp_path_factory.mktemp("sweep")
    first, second = Interrupted(), Seen()
    with pytest.raises(KeyboardInterrupt):
        sweep(choices_in(folder), first)
    return Done(folder, first, second, sweep(choices_in(folder), second))


@pytest.fixture
def folder(done: Done, tmp_path: Path) -> Path:
    """A copy of that folder."""
    return shutil.copytree(done.folder, tmp_path / "copy", symlinks=True)


def records(folder: Path) -> list[Path]:
    return sorted((folder / "runs" / "bench").glob("*-[0-9][0-9][0-9]/result.json"))


def test_interrupted_sweep_goes_on_where_it_was(done: Done) -> None:
    assert done.first.held == []
    assert done.second.begun == ["tiny 32x32", "tiny 32x64"]
    assert done.second.held == ["tiny 32x32 onnxruntime"]
    swept = done.swept
    assert [(one.size, one.input, one.engine) for one in swept.points] == [
        ("tiny", (32, 32), "onnxruntime"),
        ("tiny", (32, 64), "onnxruntime"),
    ]
    assert (swept.failures, swept.untrained) == ((), ("tiny",))
    little, large = swept.points
    assert 0 < little.multiply_adds < large.multiply_adds
    assert (little.miou, little.verdict) == (None, "unstable")  # one round shows no spread
    kept = json.loads((swept.folder / "sweep.json").read_bytes())
    assert [one["median_ms"] for one in kept["points"]] == [little.median_ms, large.median_ms]
    assert (swept.folder / "pareto.png").read_bytes().startswith(b"\x89PNG")
    names = [path.parent.name for path in records(done.folder)]
    assert names == ["topformer-tiny-ade20k-32x32-001", "topformer-tiny-ade20k-32x64-001"]


def test_nothing_is_measured_twice(done: Done, folder: Path) -> None:
    view = Seen()
    again = sweep(choices_in(folder), view)
    assert again.points == done.swept.points
    assert view.held == ["tiny 32x32 onnxruntime", "tiny 32x64 onnxruntime"]
    assert len(records(folder)) == 2


def test_other_conditions_and_fresh_are_measured_anew(folder: Path) -> None:
    usual = replace(choices_in(folder), inputs=((32, 32),))
    longer = choices_in(folder, protocol=replace(QUICK, iterations=3))
    for choices in (replace(longer, inputs=usual.inputs), replace(usual, fresh=True)):
        before, view = records(folder), Seen()
        swept = sweep(choices, view)
        assert view.held == []
        assert len(records(folder)) == len(before) + 1
        assert len(swept.points) == 1


def test_damaged_points_and_exports_are_made_again(folder: Path) -> None:
    place = folder / "runs" / "sweep" / "host"
    point = place / "points" / "tiny-32x64-onnxruntime.json"
    point.write_text(point.read_text()[:100])
    [export] = (place / "exports").glob("*-32x64.json")
    export.unlink()
    view = Seen()
    swept = sweep(replace(choices_in(folder), inputs=((32, 64),)), view)
    assert (view.held, view.failures, len(swept.points)) == ([], [], 1)
    assert export.is_file()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"inputs": ((32, 32), (33, 33))}, "--inputs: input size 33x33: both sides must be"),
        ({"inputs": ((0, 0),)}, "--inputs: input size 0x0"),
        ({"engines": ("onnxruntime", "tnn")}, "--engine tnn needs --runner PATH"),
    ],
)
def test_what_cannot_be_swept_is_refused_at_once(
    changes: dict[str, tuple[object, ...]], words: str, tmp_path: Path
) -> None:
    view = Seen()
    with pytest.raises(UsageError) as caught:
        sweep(replace(choices_in(tmp_path), **changes), view)  # type: ignore[arg-type]
    assert words in str(caught.value)
    assert view.begun == []
    assert list(tmp_path.iterdir()) == []


def test_a_point_that_fails_is_left_out_unless_all_do(folder: Path) -> None:
    place = folder / "runs" / "sweep" / "host"
    (place / "untrained" / "small.safetensors").write_bytes(b"no weights")
    choices = replace(choices_in(folder), inputs=((32, 32),), sizes=("tiny", "small"))
    view = Seen()
    swept = sweep(choices, view)
    assert [one.size for one in swept.points] == ["tiny"]
    [failure] = swept.failures
    assert view.failures == [failure]
    assert failure.startswith("small 32x32: ")
    assert json.loads((place / "sweep.json").read_bytes())["failures"] == [failure]
    (place / "sweep.json").unlink()
    with pytest.raises(DataError, match=r"small\.safetensors"):
        sweep(replace(choices, sizes=("small",)), Seen())
    assert not (place / "sweep.json").exists()
