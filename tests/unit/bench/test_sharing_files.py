"""What several rows of one measurement have in common is brought once, and told apart after."""

from dataclasses import replace
from pathlib import Path

from tests.fakes.runners import script_runner
from tests.unit.bench.conftest import QUICK, StartDevice
from topformer_cli.bench.lane import Entrant
from topformer_cli.bench.measure import Measurement
from topformer_cli.bench.phone.discover import choose_device
from topformer_cli.bench.phone.station import PhoneStation
from topformer_cli.bench.plan import BenchPlan


class Counting(PhoneStation):
    """A phone that remembers what was brought to it."""

    def put(self, source: Path | bytes, name: str, *, program: bool = False) -> str:
        self.brought = [*getattr(self, "brought", []), name]
        return super().put(source, name, program=program)


def test_precisions_share_the_files_of_an_artifact(
    start_device: StartDevice, phone_plan: BenchPlan, tmp_path: Path
) -> None:
    device = start_device()
    runner = script_runner(tmp_path, "well")
    plans = [phone_plan, replace(phone_plan, precision="auto")]
    station = Counting(choose_device(f"tcp:{device.serial}"))
    measurement = Measurement(station, [Entrant(one, runner) for one in plans], QUICK)
    measurement.run()
    assert sorted(station.brought) == ["0/input.raw", "0/net.tnnmodel", "0/net.tnnproto", "TNNTest"]
    exact, auto = measurement.session().results
    assert (exact.precision, auto.precision) == ("fp32", "auto")
    assert exact.files == auto.files
    assert exact.parity == auto.parity is not None
    assert [one.row for one in measurement.session().ratios] == [1]
    assert device.root.remains() == []


def test_a_row_says_that_its_runner_has_no_profiler(
    start_device: StartDevice, phone_plan: BenchPlan, tmp_path: Path
) -> None:
    device = start_device()
    plan = replace(phone_plan, per_layer=True)
    station = PhoneStation(choose_device(f"tcp:{device.serial}"))
    entrants = [Entrant(one, script_runner(tmp_path, "well")) for one in (plan, phone_plan)]
    measurement = Measurement(station, entrants, QUICK)
    measurement.run()
    asked, not_asked = measurement.session().results
    words = "no times of layers: the runner's engine was built without its profiler"
    assert words in asked.notes
    assert words not in not_asked.notes
