import pytest
from hypothesis import given
from hypothesis import strategies as st

from topformer_cli.bench.cores import choose_core, expand_cpu_list, verify_core
from topformer_cli.bench.phone import parse_df, parse_facts
from topformer_cli.errors import UsageError
from topformer_cli.results import CoreUse, CpuFacts

SD865 = tuple(CpuFacts(i, khz, True) for i, khz in enumerate([1804800] * 4 + [2419200] * 4))


def test_facts_are_read_and_unknown_ones_stay_unknown() -> None:
    facts = parse_facts(
        "S1",
        "ro.product.manufacturer=Acme\nro.product.model=One = two\nro.soc.model=\n"
        "ro.board.platform=kona\nro.build.version.sdk=33\nro.product.cpu.abilist=\n"
        "ro.product.cpu.abi=arm64-v8a\nmachine=aarch64\ncpu0/online=\n"
        "cpu0/cpufreq/cpuinfo_max_freq=1804800\ncpu0/cpu_capacity=250\ncpu10/online=0\n",
    )
    assert (facts.serial, facts.manufacturer, facts.model) == ("S1", "Acme", "One = two")
    assert (facts.soc, facts.sdk, facts.abis) == ("kona", 33, ("arm64-v8a",))
    assert (facts.release, facts.kernel, facts.virtual) == (None, None, False)
    assert facts.cpus == (CpuFacts(0, 1804800, None, 250), CpuFacts(10, None, False, None))


@given(st.text(max_size=300))
def test_facts_of_any_text_are_a_record(text: str) -> None:
    assert parse_facts("S1", text).serial == "S1"


@given(st.integers(0, 10**12), st.integers(0, 10**12), st.integers(0, 10**12), st.integers(0, 100))
def test_df_gives_the_available_bytes(total: int, used: int, free: int, share: int) -> None:
    head = "Filesystem 1K-blocks Used Available Use% Mounted on\n"
    assert parse_df(f"{head}/dev/block/dm-5 {total} {used} {free} {share}% /data\n") == free * 1024


@given(st.text(max_size=100))
def test_df_of_anything_else_is_unknown(text: str) -> None:
    assert parse_df(text.replace("%", "")) is None


def test_prime_is_the_fastest_online_core() -> None:
    assert choose_core(SD865, "prime").mask == "80"
    prime = (*SD865[:7], CpuFacts(7, 2841600, online=False))
    assert choose_core(prime, "prime").mask == "40"
    large = (CpuFacts(0, 9, True, 1024), CpuFacts(1, 10, True, 300))
    assert choose_core(large, "prime").mask == "1"
    assert choose_core((CpuFacts(0), CpuFacts(1)), "prime").mask == "2"


def test_core_by_number_and_any() -> None:
    assert choose_core(SD865, "4") == CoreUse("4", "10")
    assert choose_core(SD865, "any") == CoreUse("any")
    assert choose_core((), "prime").mask is None
    with pytest.raises(UsageError, match="core 8 is not there"):
        choose_core(SD865, "8")


@given(st.integers(0, 63), st.integers(0, 63))
def test_core_is_verified_only_by_exactly_the_asked_one(asked: int, seen: int) -> None:
    core = CoreUse(str(asked), format(1 << asked, "x"))
    checked = verify_core(core, f"runner pid 7\nCpus_allowed_list:\t{seen}\nmore\n")
    assert (checked.allowed, checked.verified) == (str(seen), asked == seen)
    assert verify_core(core, "no such line").verified is None


@given(st.sets(st.integers(0, 200), min_size=1))
def test_kernel_lists_are_expanded(cores: set[int]) -> None:
    runs: list[list[int]] = []
    for core in sorted(cores):
        if runs and runs[-1][-1] == core - 1:
            runs[-1].append(core)
        else:
            runs.append([core])
    text = ",".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)
    assert expand_cpu_list(text) == cores


@given(st.text(max_size=20))
def test_any_text_is_a_list_or_none(text: str) -> None:
    expanded = expand_cpu_list(text)
    assert expanded is None or all(core >= 0 for core in expanded)
