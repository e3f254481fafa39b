import pytest
from hypothesis import given
from hypothesis import strategies as st

from topformer_cli.bench.machine.cores import (
    choose_core,
    clusters,
    cores_of,
    expand_cpu_list,
    next_core,
    verify_core,
)
from topformer_cli.errors import UsageError
from topformer_cli.results import CoreUse, CpuFacts

SD865 = tuple(
    CpuFacts(index, khz, True, capacity)
    for index, (khz, capacity) in enumerate(
        [(1804800, 250)] * 4 + [(2419200, 860)] * 3 + [(2841600, 1024)]
    )
)
TWO_CLUSTERS = tuple(CpuFacts(i, khz, True) for i, khz in enumerate([1800000] * 4 + [2400000] * 4))
ONE_CLUSTER = tuple(CpuFacts(i, None, True) for i in range(4))
CPUS = st.lists(
    st.builds(
        CpuFacts,
        index=st.just(0),
        max_khz=st.none() | st.integers(1, 4),
        online=st.none() | st.booleans(),
        capacity=st.none() | st.integers(1, 4),
    ),
    min_size=1,
    max_size=10,
).map(lambda cpus: [CpuFacts(i, c.max_khz, c.online, c.capacity) for i, c in enumerate(cpus)])


@pytest.mark.parametrize(
    ("cpus", "asked", "mask"),
    [
        (SD865, "prime", "80"),
        (SD865, "big", "40"),
        (SD865, "little", "8"),
        (SD865, "4", "10"),
        (SD865, "any", None),
        (TWO_CLUSTERS, "prime", "80"),
        (TWO_CLUSTERS, "big", "80"),
        (TWO_CLUSTERS, "little", "8"),
        (ONE_CLUSTER, "prime", "8"),
        (ONE_CLUSTER, "big", "8"),
        (ONE_CLUSTER, "little", "8"),
        ((), "prime", None),
    ],
)
def test_core_that_is_chosen(cpus: tuple[CpuFacts, ...], asked: str, mask: str | None) -> None:
    assert choose_core(cpus, asked).mask == mask


def test_capacity_goes_before_clock_and_offline_cores_do_not_count() -> None:
    assert (
        choose_core((CpuFacts(0, 9, True, 1024), CpuFacts(1, 10, True, 300)), "prime").mask == "1"
    )
    off = (*SD865[:7], CpuFacts(7, 2841600, online=False, capacity=1024))
    assert choose_core(off, "prime") == CoreUse("6, prime", "40")
    with pytest.raises(UsageError, match=r"core 7 is not there or switched off; .* 0, 1.* online"):
        choose_core(off, "7")
    with pytest.raises(UsageError, match="core 8 is not there"):
        choose_core(SD865, "8")


@pytest.mark.parametrize(
    ("asked", "threads", "mask"),
    [
        ("prime", 4, "f0"),
        ("big", 2, "60"),
        ("big", 8, "70"),
        ("little", 4, "f"),
        ("prime", 9, "ff"),
    ],
)
def test_cores_for_several_threads(asked: str, threads: int, mask: str) -> None:
    assert choose_core(SD865, asked, threads=threads).mask == mask


def test_mask_takes_the_place_of_a_core() -> None:
    assert choose_core(SD865, "prime", "f0") == CoreUse("mask f0", "f0")
    assert choose_core((), "prime", "f0").mask == "f0"
    with pytest.raises(UsageError, match=r"mask 180 is not there or switched off \(core 8\)"):
        choose_core(SD865, "prime", "180")


@given(CPUS, st.sampled_from(["prime", "big", "little"]))
def test_chosen_core_is_online_and_in_order_of_strength(cpus: list[CpuFacts], asked: str) -> None:
    chosen = cores_of(choose_core(cpus, asked).mask or "0")
    assert len(chosen) == 1
    online = [cpu.index for cpu in cpus if cpu.online is not False]
    assert not online or chosen <= set(online)
    ranks = {cpu.index: rank for rank, group in enumerate(clusters(cpus)) for cpu in group}
    rank = {name: ranks[min(cores_of(choose_core(cpus, name).mask or "0"))]
            for name in ("little", "big", "prime")}  # fmt: skip
    assert rank["little"] <= rank["big"] <= rank["prime"] == max(ranks.values())


@given(CPUS)
def test_offers_lead_through_every_core_once(cpus: list[CpuFacts]) -> None:
    core: CoreUse | None = choose_core(cpus, "prime")
    seen: list[int] = []
    while core is not None:
        seen += cores_of(core.mask or "0")
        core = next_core(cpus, core)
    online = [cpu.index for cpu in cpus if cpu.online is not False]
    assert sorted(seen) == (online or [cpu.index for cpu in cpus])
    assert next_core(cpus, CoreUse("any")) is None


@given(st.integers(0, 63), st.integers(0, 63))
def test_core_is_verified_only_by_exactly_the_asked_one(asked: int, seen: int) -> None:
    core = CoreUse(str(asked), format(1 << asked, "x"))
    checked = verify_core(core, f"runner pid 7\nCpus_allowed_list:\t{seen}\nmore\n")
    assert (checked.allowed, checked.verified) == (str(seen), asked == seen)
    assert verify_core(core, "no such line").verified is None


def test_core_that_one_round_left_stays_unverified() -> None:
    core = CoreUse("7", "80")
    for seen in ("7", "0-6", "7"):
        core = verify_core(core, f"Cpus_allowed_list:\t{seen}\n")
    assert (core.allowed, core.verified) == ("0-6", False)


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
