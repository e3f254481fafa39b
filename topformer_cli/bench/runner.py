"""A program that runs networks on a machine, and the table of those that are known."""

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from topformer_cli.bench.host.engines import HOST_ENGINES, WORDS
from topformer_cli.bench.runner_module import RunnerModule
from topformer_cli.bench.runners import litert, native, tflite, tnntest
from topformer_cli.results import RunnerFacts
from topformer_cli.rundir import file_sha256

Linkage = Literal["static", "bionic", "host"]

RUNNERS: Final[Mapping[str, RunnerModule]] = {
    "TNNTest": tnntest,
    "topformer-runner": native,
    "LiteRT benchmark_model": litert,
    "TFLite benchmark_model": tflite,
}
"""Programs that are given, built or fetched, by the names that results carry."""


@dataclass(frozen=True, slots=True)
class Runner:
    """A checked program.

    kind: a key of `RUNNERS` or of the host's engines. libraries: pushed beside it. checker: the
    program that shows the output of one that writes none. origin: where it was fetched from, or
    the version of an engine of this machine.
    starter: words before the program, such as an emulator's. in_place: it runs where it lies,
    nothing is pushed.
    """

    kind: str
    path: Path
    abi: str
    linkage: Linkage
    sha256: str
    libraries: tuple[Path, ...] = ()
    checker: Path | None = None
    origin: str | None = None
    starter: tuple[str, ...] = ()
    in_place: bool = False

    @property
    def module(self) -> RunnerModule:
        """How this kind of program is driven."""
        return RUNNERS[self.kind] if self.kind in RUNNERS else HOST_ENGINES[self.kind]

    @property
    def files(self) -> tuple[Path, ...]:
        """What is put into the working folder before it can run, the program first."""
        checker = () if self.checker is None else (self.checker,)
        return () if self.in_place else (self.path, *self.libraries, *checker)

    @property
    def words(self) -> tuple[str, ...]:
        """How it is started in the working folder."""
        return self.starter if self.in_place else (*self.starter, f"./{self.path.name}")

    @property
    def version(self) -> str:
        """The program as results name it."""
        return f"{self.kind} {self.linkage} {self.abi} {self.sha256[:12]}"

    def facts(self, origin: str | None) -> RunnerFacts:
        """Return its record."""
        return RunnerFacts(self.kind, self.linkage, self.abi, self.sha256, origin or self.origin)


def host_engine(name: str) -> Runner:
    """Return the runner for an engine of this machine, a key of `HOST_ENGINES`."""
    program = Path(__file__).parent / "host" / "runner.py"
    return Runner(
        kind=name,
        path=program,
        abi=platform.machine(),
        linkage="host",
        sha256=file_sha256(program),
        origin=HOST_ENGINES[name].installed,
        starter=WORDS,
        in_place=True,
    )
