"""One forward pass of a TNN runner on this machine, for its outputs, not its time."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from numpy.typing import NDArray

from topformer_cli.bench.host.station import HostStation
from topformer_cli.bench.plan import Call
from topformer_cli.bench.programs.program import open_program
from topformer_cli.bench.runners import native, tnntest
from topformer_cli.errors import DeviceError, MeasurementError
from topformer_cli.results import CoreUse

DEADLINE_S: Final = 600.0
OUTPUT: Final = "output"


@dataclass(frozen=True, slots=True, kw_only=True)
class HostTnn:
    """A topformer-runner or TNNTest that this machine can start, through an emulator if need be.

    device: TNN's device; that of the program's processor when absent. exact: fp32 arithmetic
    (TNN's precision HIGH) in place of its own choice.
    """

    program: Path
    device: str | None = None
    emulator: str | None = None
    exact: bool = True

    @property
    def name(self) -> str:
        """How messages and results call it."""
        return f"TNN {self._device()}{'' if self.exact else ' (its own precision)'}"

    def outputs(self, proto: Path, inputs: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Run a TNN pair once and return all of its outputs by name.

        Raises:
            DeviceError: the program cannot be started here.
            DataError: the pair is not whole.
            MeasurementError: it failed, hung or wrote no output.
        """
        module = native if native.recognises(self.program.read_bytes()) else tnntest
        call = Call(
            model=proto.name,
            input="input",
            output=OUTPUT,
            abi="",
            precision="fp32" if self.exact else "auto",
            device=self._device(),
        )
        files = module.model_files(proto)
        station = HostStation()
        station.open()
        try:
            for path in files:
                station.put(path, path.name)
            station.put(module.encode_input(inputs), call.input)
            content = self._run(station, module.arguments(call))
        finally:
            station.close()
        return dict(module.decode_outputs(content))

    def _run(self, station: HostStation, arguments: tuple[str, ...]) -> bytes:
        starter = (self.emulator,) if self.emulator else ()
        words = (*starter, str(self.program.resolve()), *arguments)
        done = station.run(words, CoreUse("any"), OUTPUT, DEADLINE_S)
        # TNNTest ends with 0 after some failures as well: only its output says that it ran.
        try:
            return station.get(OUTPUT)
        except DeviceError as error:
            lines = (done.stdout + done.stderr).strip().splitlines()
            printed = lines[-1] if lines else f"nothing (exit code {done.returncode})"
            message = f"{self.program} on {self._device()}: no output; it printed: {printed}"
            raise MeasurementError(message) from error

    def _device(self) -> str:
        if self.device is not None:
            return self.device
        abi = open_program(self.program).elf.abi
        if abi not in tnntest.DEVICE_TYPES:
            message = f"{self.program}: for no processor that TNN has a device for; name it"
            raise DeviceError(message)
        return tnntest.DEVICE_TYPES[abi]
