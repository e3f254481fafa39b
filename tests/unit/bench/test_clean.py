"""`bench --clean`: what is dead goes, what is in use stays, and both are said."""

import subprocess

from tests.unit.bench.conftest import StartDevice
from topformer_cli.api.benching import BenchChoices, clean_devices


def test_says_what_was_removed_and_what_is_in_use(start_device: StartDevice) -> None:
    device = start_device()
    choices = BenchChoices(devices=(f"tcp:{device.serial}",))
    assert clean_devices(choices) == [f"{device.serial}: nothing of ours is left there"]
    dead, live = (device.root.work / f"topformer-{name}" for name in ("dead", "live"))
    dead.mkdir()
    live.mkdir()
    with subprocess.Popen(["sleep", "60"], cwd=live) as working:
        said = clean_devices(choices)
        assert device.root.remains() == [live.name]
        working.kill()
    assert [line.rpartition("/")[2] for line in said] == [
        "topformer-dead",
        "topformer-live is in use",
    ]
    assert said[0].startswith(f"{device.serial}: removed ")
    assert clean_devices(choices)[0].endswith("topformer-live")
    assert device.root.remains() == []
