import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.device_dumps import battery, power, thermal_service, window
from tests.fakes.device_root import DeviceRoot
from tests.fakes.stations import station_on
from tests.unit.bench.conftest import StartDevice
from topformer_cli.bench.machine.sensors import (
    cpu_zone_paths,
    cpu_zones,
    hottest,
    parse_celsius,
)
from topformer_cli.bench.phone.device import parse_df
from topformer_cli.bench.phone.dumpsys import (
    parse_awake,
    parse_battery,
    parse_locked,
    parse_service_zones,
    parse_thermal_status,
)
from topformer_cli.bench.phone.facts import parse_facts, parse_parts, transport_of
from topformer_cli.results import Battery, CpuFacts, ThermalZone

TELEVISION = """Current Battery Service state:
  AC powered: false
  USB powered: false
  Wireless powered: false
  Max charging current: 0
  status: 4
  present: true
  level: 90
  scale: 100
  voltage: 13
  temperature: 26
  technology: Li-ion
"""
"""A set-top box (ppmy.cn/news/1423084): Android's fixed values for a device without a battery."""


def test_every_fact_of_a_phone_is_recorded(start_device: StartDevice) -> None:
    facts = station_on(start_device()).facts()
    unknown = [name for name in facts.__slots__ if getattr(facts, name) is None]
    assert unknown == []
    assert facts.name == "Standin Eight Cores"
    assert (facts.device, facts.board, facts.soc) == ("standin", "kona", "SM8250")
    assert (facts.sdk, facts.release, facts.page_bytes) == (33, "13", 4096)
    assert facts.cpus[7] == CpuFacts(7, 2841600, True, 1024, 844800, "schedutil", "0xd0d")
    assert facts.cpus[0] == CpuFacts(0, 1804800, None, 250, 300000, "schedutil", "0xd05")
    assert facts.zones[2] == ThermalZone("cpu-1-7-usr", 34.5, 2)
    assert facts.zones[4] == ThermalZone("battery", 25.4, 4)
    assert facts.battery == Battery(80, 25.4, True)
    assert (facts.thermal_status, facts.awake, facts.locked) == (0, True, False)
    assert facts.transport == "tcp"
    assert facts.adb is not None
    assert facts.adb.startswith("server 1.0.4")


def test_phone_that_tells_little_is_a_record_of_unknowns(
    start_device: StartDevice, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("root")
    root = DeviceRoot(folder, {}, clocks_readable=False, missing={"uname", "grep"})
    root.sysfs.hide_thermal()
    for service in ("battery", "thermalservice", "power", "window"):
        root.dump(service, "")
    facts = station_on(start_device(root=root)).facts()
    assert {cpu.max_khz for cpu in facts.cpus} == {None}
    assert (facts.zones, facts.abis, facts.virtual) == ((), (), False)
    for name in ("model", "sdk", "machine", "battery", "thermal_status", "awake", "locked"):
        assert getattr(facts, name) is None, name


def test_sensors_that_the_shell_may_not_read_come_from_the_service(
    start_device: StartDevice,
) -> None:
    device = start_device()
    device.root.sysfs.hide_heat()
    zones = station_on(device).facts().zones
    assert zones == (ThermalZone("AP", 25.6), ThermalZone("BAT", 23.8))
    assert cpu_zone_paths(zones) == ()


def test_facts_are_read_and_unknown_ones_stay_unknown() -> None:
    facts = parse_facts(
        "S1",
        "ro.product.manufacturer=Acme\nro.product.model=One = two\nro.soc.model=\n"
        "ro.board.platform=kona\nro.build.version.sdk=33\nro.product.cpu.abilist=\n"
        "ro.product.cpu.abi=arm64-v8a\nmachine=aarch64\npage=16384\ncpu0/online=\n"
        "memory=MemAvailable:    5012345 kB\n"
        "cpu0/max_khz=1804800\ncpu0/capacity=250\ncpu10/online=0\n"
        "zone10/type=cpu-b\nzone10/temp=41000\nzone2/type=cpu-a\nzone2/temp=\nzone3/temp=7\n"
        "[[cpuinfo]]\nprocessor\t: 0\nCPU part\t: 0xd05\n[[thermal]]\n[[battery]]\n",
    )
    assert (facts.serial, facts.manufacturer, facts.model) == ("S1", "Acme", "One = two")
    assert (facts.soc, facts.sdk, facts.abis) == ("kona", 33, ("arm64-v8a",))
    assert (facts.release, facts.kernel, facts.virtual) == (None, None, False)
    assert (facts.page_bytes, facts.free_memory_kb) == (16384, 5012345)
    assert facts.cpus == (
        CpuFacts(0, 1804800, None, 250, part="0xd05"),
        CpuFacts(10, None, False, None),
    )
    assert facts.zones == (ThermalZone("cpu-a", None, 2), ThermalZone("cpu-b", 41.0, 10))


@given(st.text(max_size=300))
def test_facts_of_any_text_are_a_record(text: str) -> None:
    lines = f"zone1/type={text}\nzone1/temp={text}\ncpu1/max_khz={text}\npage={text}\n"
    for told in (text, lines + f"[[cpuinfo]]\n{text}\n[[thermal]]\n{text}\n[[battery]]\n{text}"):
        assert parse_facts("S1", told).serial == "S1"


@given(st.text(max_size=300), st.sampled_from(["Thermal Status:", "level: ", "mWakefulness=", ""]))
def test_services_of_any_text_are_known_or_not(text: str, head: str) -> None:
    told = head + text
    status = parse_thermal_status(told)
    assert status is None or 0 <= status <= 6
    assert parse_awake(told) in (True, False, None)
    assert parse_locked(told) in (True, False, None)
    assert isinstance(parse_battery(told), Battery | None)
    zones = parse_service_zones(f"Current temperatures from HAL:\n{told}")
    assert all(zone.celsius and 0 < zone.celsius <= 150 for zone in zones)
    assert all(part.startswith("0x") for part in parse_parts(told).values())


@given(st.integers(0, 6), st.integers(0, 100), st.integers(-200, 900), st.booleans())
def test_services_in_androids_form(status: int, percent: int, tenths: int, yes: bool) -> None:
    assert parse_thermal_status(thermal_service(status)) == status
    told = battery(percent, tenths, powered=yes)
    assert parse_battery(told) == Battery(percent, tenths / 10, yes)
    assert parse_awake(power(on=yes)) is yes
    assert parse_locked(window(locked=yes)) is yes


def test_battery_of_a_device_without_one() -> None:
    assert parse_battery(TELEVISION) == Battery(90, 2.6, False)
    assert parse_battery("Can't find service: battery") is None


def test_display_tells_where_wakefulness_does_not() -> None:
    assert parse_awake("Display Power: state=ON\n") is True
    assert parse_awake("Display Power: state=OFF\n") is False


@given(st.integers(-1_000_000, 1_000_000))
def test_any_raw_temperature_is_plausible_or_unknown(raw: int) -> None:
    degrees = parse_celsius(f"{raw}\n")
    assert degrees is None or (degrees != 0 and -40 < degrees <= 150)


@pytest.mark.parametrize(
    ("raw", "degrees"),
    [
        ("45123", 45.123), ("1000", 1.0), ("254", 25.4), ("999", 99.9), ("45", 45.0),
        ("45.5", 45.5),
        ("100", 100.0), ("101", 10.1), ("0", None), ("-274000", None), ("-40000", None),
        ("200000", None), ("-5000", -5.0), ("", None), ("nan", None), ("1e3", None), ("4 5", None),
    ],
)  # fmt: skip
def test_units_of_temperatures(raw: str, degrees: float | None) -> None:
    assert parse_celsius(raw) == degrees


@pytest.mark.parametrize(
    ("names", "taken"),
    [
        (["aoss0-usr", "cpu-0-0-usr", "gpuss-0-usr", "cpuss-1"], ["cpu-0-0-usr", "cpuss-1"]),
        (["mtktscpu", "mtktspa", "mtktsbattery"], ["mtktscpu"]),
        (["BIG", "MID", "LITTLE", "G3D", "battery"], ["BIG", "MID", "LITTLE"]),
        (["soc_max", "battery", "gpu"], ["soc_max"]),
        (["x86_pkg_temp", "acpitz"], ["x86_pkg_temp"]),
        (["battery", "pa-therm0"], []),
    ],
)  # fmt: skip
def test_sensors_of_the_processor(names: list[str], taken: list[str]) -> None:
    zones = [ThermalZone(name, 30.0 + index, index) for index, name in enumerate(names)]
    assert [zone.name for zone in cpu_zones(zones)] == taken
    paths = [f"/sys/class/thermal/thermal_zone{names.index(name)}/temp" for name in taken]
    assert list(cpu_zone_paths(zones)) == paths


def test_hottest_of_texts() -> None:
    assert hottest(["41000\n", None, "39500", ""]) == 41.0
    assert hottest([None, "0"]) is None


@pytest.mark.parametrize(
    ("line", "transport"),
    [
        ("R58M device usb:1-4 product:x model:y device:z transport_id:1", "usb"),
        ("R58M device product:x transport_id:1", "usb"),
        ("192.168.1.7:5555 device product:x transport_id:2", "tcp"),
        ("adb-R58M-x._adb-tls-connect._tcp device product:x transport_id:3", "tcp"),
        ("emulator-5554 device product:x transport_id:3", "tcp"),
        ("", None),
    ],
)
def test_transport_by_adbs_own_listing(line: str, transport: str | None) -> None:
    assert transport_of(line) == transport


@given(st.integers(0, 10**12), st.integers(0, 10**12), st.integers(0, 10**12), st.integers(0, 100))
def test_df_gives_the_available_bytes(total: int, used: int, free: int, share: int) -> None:
    head = "Filesystem 1K-blocks Used Available Use% Mounted on\n"
    assert parse_df(f"{head}/dev/block/dm-5 {total} {used} {free} {share}% /data\n") == free * 1024


@given(st.text(max_size=100))
def test_df_of_anything_else_is_unknown(text: str) -> None:
    assert parse_df(text.replace("%", "")) is None


def test_part_without_its_processor_is_left_out() -> None:
    assert parse_parts("CPU part: 0xd05\nprocessor: 3\nCPU part: 0xd0d\nCPU part: odd\n") == {
        3: "0xd0d"
    }
