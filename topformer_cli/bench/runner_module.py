"""What bench needs to know of a program that runs networks."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from topformer_cli.bench.plan import Call
from topformer_cli.bench.station import ShellResult
from topformer_cli.results import LayerTime, Round


class RunnerModule(Protocol):
    """How one kind of program is called, and what may be believed of what it prints."""

    @property
    def ENGINE(self) -> str:  # noqa: N802 - a constant of a module
        """The name that results carry."""

    @property
    def COVERS(self) -> str:  # noqa: N802
        """What lies inside the timed region."""

    @property
    def KEEPS_TIME(self) -> bool:  # noqa: N802
        """Whether it can run for a given time; otherwise it only counts inferences."""

    @property
    def WRITES_OUTPUT(self) -> bool:  # noqa: N802
        """Whether it computes on the given input and writes what comes out."""

    def recognises(self, program: bytes) -> bool:
        """Say whether these bytes are this program."""
        ...

    def model_files(self, artifact: Path) -> tuple[Path, ...]:
        """Return the files that make up the model, the given one first; DataError."""
        ...

    def encode_input(self, inputs: NDArray[Any]) -> bytes:
        """Return the content of the input file."""
        ...

    def arguments(self, call: Call) -> tuple[str, ...]:
        """Return the arguments of one process."""
        ...

    def parse_round(self, done: ShellResult, call: Call) -> Round:
        """Return what one process measured; MeasurementError when it failed."""
        ...

    def parse_partial(self, stdout: str) -> Round | None:
        """Return what a process measured until it was cut off, where it tells that."""
        ...

    def parse_layers(self, done: ShellResult) -> tuple[LayerTime, ...]:
        """Return the times of the layers from a process that was asked for them, or nothing."""
        ...

    def tells(self, done: ShellResult) -> Mapping[str, Any]:
        """Return what the engine says of itself: `origin`, operators on an accelerator, ..."""
        ...

    def fitting_outputs(
        self, content: bytes, references: Sequence[NDArray[Any]]
    ) -> list[NDArray[Any]]:
        """Return the outputs that are to be held against the references; MeasurementError."""
        ...
