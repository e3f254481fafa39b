"""Where runs and prepared data lie."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Places:
    """The folder of runs, and the cache if it is not the usual one."""

    work_dir: Path = Path("runs")
    cache: Path | None = None


USUAL = Places()
