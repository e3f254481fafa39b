"""Ctrl-C twice: the second one does not end the cleaning that the first one began."""

from pathlib import Path

import pytest

from tests.fakes.runners import script_runner
from tests.unit.bench.conftest import QUICK, StartDevice
from topformer_cli.bench.lane import Entrant
from topformer_cli.bench.measure import Measurement
from topformer_cli.bench.phone.device import Phone
from topformer_cli.bench.phone.discover import choose_device
from topformer_cli.bench.phone.settings import STAY_ON
from topformer_cli.bench.phone.station import PhoneStation
from topformer_cli.bench.plan import BenchPlan


class Hasty(Phone):
    """A phone at which the user presses Ctrl-C as each of these commands begins, once each."""

    presses: list[str] = []  # noqa: RUF012 - set by each test

    def ask(self, command: str) -> str:
        for begin in self.presses:
            if command.startswith(begin):
                self.presses.remove(begin)
                raise KeyboardInterrupt
        return super().ask(command)


@pytest.mark.parametrize("second", ["for p in", "settings put", "settings delete"])
def test_second_interruption_leaves_nothing(
    start_device: StartDevice,
    phone_plan: BenchPlan,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    second: str,
) -> None:
    device = start_device()
    if second == "settings delete":
        (device.root.path / "settings" / STAY_ON).unlink()
    before = device.root.setting(STAY_ON)
    presses = ["mkdir -p", second]
    monkeypatch.setattr(Hasty, "presses", presses)
    station = PhoneStation(Hasty(choose_device(f"tcp:{device.serial}").link), keep_awake=True)
    entrant = Entrant(phone_plan, script_runner(tmp_path, "well"))
    with pytest.raises(KeyboardInterrupt):
        Measurement(station, [entrant], QUICK).run()
    assert presses == []
    assert device.root.remains() == []
    assert device.root.setting(STAY_ON) == before
