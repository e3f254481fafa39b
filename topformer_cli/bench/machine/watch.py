"""What the processor does while a network runs: clock, limit, heat, and what they mean."""

import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from statistics import median
from typing import Final

from topformer_cli.bench.machine.cores import choose_core, clusters, cores_of
from topformer_cli.bench.machine.residency import CPU_FOLDER
from topformer_cli.bench.machine.sensors import FOLDER, cpu_zone_paths, hottest
from topformer_cli.bench.station import Lines, Station
from topformer_cli.results import CoreUse, CpuFacts, DeviceFacts, Reading, Round

PERIOD_S: Final = 0.2
TOP_SHARE: Final = 0.95
"""Less of the time than this at the top clock is a slowed core."""

SLOWER: Final = 1.05
FEWEST_SAMPLES: Final = 30
"""Ten in each third, so that one late inference decides nothing."""

HOT_STATUS: Final = 2
STATUS_NAMES: Final = ("none", "light", "moderate", "severe", "critical", "emergency", "shutdown")

# `read` and `echo` are part of the shell, so that only `sleep` costs a process: the sampler
# should not disturb what it watches. A file that cannot be read leaves its value empty.
_SCRIPT: Final = """{pin}
cool=
for d in {thermal}/cooling_device[0-9]*; do
  t=; read -r t < $d/type
  case $t in *cpu*|*CPU*|Processor) cool="$cool $d/cur_state";; esac
done
while [ -d "$PWD" ]; do
  u=; read -r u rest < /proc/uptime
  c=; read -r c < {current}
  m=; read -r m < {limit}
  h=; for z in {zones}; do t=; read -r t < $z && h="$h,$t"; done
  s=; for d in $cool; do t=; read -r t < $d && s="$s,$t"; done
  echo "at=$u khz=$c limit=$m heat=$h cooling=$s"
  sleep {period} || sleep 1 || exit
done 2>/dev/null"""


def watch_script(facts: DeviceFacts, core: CoreUse) -> str:
    """Return the script that prints one line of readings five times a second.

    It keeps to a little core that is not measured, where there is one.
    """
    index = measured_core(facts.cpus, core)
    clock = f"{CPU_FOLDER}/cpu{'no-core' if index is None else index}/cpufreq"
    little = choose_core(facts.cpus, "little") if facts.cpus else CoreUse(asked="any")
    apart = little.mask is not None and index not in cores_of(little.mask)
    return _SCRIPT.format(
        pin=f"taskset -p {little.mask} $$ >/dev/null 2>&1" if apart else ":",
        thermal=FOLDER,
        current=f"{clock}/scaling_cur_freq",
        limit=f"{clock}/scaling_max_freq",
        zones=" ".join(shlex.quote(path) for path in cpu_zone_paths(facts.zones)),
        period=PERIOD_S,
    )


def measured_core(cpus: Iterable[CpuFacts], core: CoreUse) -> int | None:
    """Return the strongest core that a run may use, None when it may use any."""
    if core.mask is None:
        return None
    allowed = cores_of(core.mask)
    groups = clusters([cpu for cpu in cpus if cpu.index in allowed])
    return groups[-1][-1].index if groups else max(allowed)


def parse_readings(lines: Iterable[str]) -> tuple[Reading, ...]:
    """Return what the script has printed; a line that is cut off or garbled is left out."""
    return tuple(one for line in lines if (one := parse_reading(line)) is not None)


def parse_reading(line: str) -> Reading | None:
    """Return one line of the script as a record, None when it is none."""
    match = re.fullmatch(
        r"at=([0-9]{1,12}\.[0-9]{1,9}) khz=([0-9]*) limit=([0-9]*) heat=(\S*) cooling=(\S*)", line
    )
    if match is None:
        return None
    states = [int(word) for word in match[5].split(",") if re.fullmatch("[0-9]{1,6}", word)]
    return Reading(
        at_s=float(match[1]),
        khz=_positive(match[2]),
        limit_khz=_positive(match[3]),
        celsius=hottest(match[4].split(",")),
        cooling=max(states, default=None),
    )


def why_throttled(
    done: Round, cpu: CpuFacts | None, status: int | None, *, loaded: bool = False
) -> str | None:
    """Say why a round counts as slowed down, None when nothing speaks for it.

    cpu is the measured core, status Android's thermal status after the round. loaded: other
    programs had the core in some round of this measurement, so that times alone say nothing.
    """
    top = cpu.max_khz if cpu is not None else None
    by_times = None if loaded else _by_times(done)
    reasons = (_by_status(status), _by_limit(done, top), _by_residency(done, top), by_times)
    return "; ".join(reason for reason in reasons if reason) or None


def slowed_by_times_alone(done: Round) -> bool:
    """Say whether nothing but its own times spoke for a round being slowed down by heat."""
    return done.throttled is not None and done.throttled == _by_times(done)


def _by_status(status: int | None) -> str | None:
    if status is None or status < HOT_STATUS:
        return None
    return f"thermal status {status} ({STATUS_NAMES[min(status, len(STATUS_NAMES) - 1)]})"


def _by_limit(done: Round, top: int | None) -> str | None:
    limits = [one.limit_khz for one in done.readings if one.limit_khz is not None]
    if top is None or not limits or min(limits) >= top:
        return None
    return f"the clock was held to {min(limits) / 1000:.0f} of {top / 1000:.0f} MHz"


def _by_residency(done: Round, top: int | None) -> str | None:
    if done.residency is None or done.residency.covers != "timed" or not done.residency.times:
        return None
    highest = max(khz for khz, _ in done.residency.times)
    # Some tables end below cpuinfo_max_freq, the clock of a boost that is not for everyone.
    share = done.residency.share_at(highest if top is None else min(top, highest))
    if share is None or share >= TOP_SHARE:
        return None
    return f"at its top clock for {share * 100:.1f} % of the time"


def _by_times(done: Round) -> str | None:
    if len(done.samples_ms) < FEWEST_SAMPLES:
        return None
    third = len(done.samples_ms) // 3
    first, last = median(done.samples_ms[:third]), median(done.samples_ms[-third:])
    if first <= 0 or last <= first * SLOWER:
        return None
    return f"its last third took {(last / first - 1) * 100:.0f} % longer than its first"


def _positive(digits: str) -> int | None:
    return int(digits[:18]) or None if digits else None


class Watch:
    """The sampler that runs beside a measurement, read in pieces."""

    def __init__(self, lines: Lines, cpu: CpuFacts | None, zone_paths: Sequence[str]) -> None:
        self._lines = lines
        self.cpu = cpu
        self.zone_paths = zone_paths

    def take(self) -> tuple[Reading, ...]:
        """Return the readings since the last call."""
        return parse_readings(self._lines())


@contextmanager
def watching(station: Station, facts: DeviceFacts, core: CoreUse) -> Iterator[Watch]:
    """Run the sampler on a station inside the block."""
    index = measured_core(facts.cpus, core)
    cpu = next((one for one in facts.cpus if one.index == index), None)
    with station.stream(watch_script(facts, core)) as lines:
        yield Watch(lines, cpu, cpu_zone_paths(facts.zones))
