"""One forward pass of TNN's `TNNTest` on this machine, for its output, not its time."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from numpy.typing import NDArray

from topformer_cli.bench.elf import read_elf
from topformer_cli.bench.runners.tnntest import (
    DEVICE_TYPES,
    INPUT_NAME,
    OUTPUT_NAME,
    decode_output,
    encode_input,
    model_files,
)
from topformer_cli.errors import DeviceError, MeasurementError
from topformer_cli.predictor import FloatArray
from topformer_cli.process import run

DEADLINE_S: Final = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HostTnn:
    """A TNNTest that this machine can start, through an emulator if need be.

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

    def outputs(self, proto: Path, inputs: NDArray[Any]) -> dict[str, FloatArray]:
        """Run a TNN pair once and return its outputs by name.

        Raises:
            DeviceError: the program cannot be started here.
            DataError: the pair is not whole.
            MeasurementError: it failed, hung or wrote no output.
        """
        model_files(proto)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / INPUT_NAME).write_bytes(encode_input(inputs))
            printed = self._run(proto, folder)
            output = folder / OUTPUT_NAME
            # TNNTest ends with 0 after some failures as well: only its output says that it ran.
            if not output.is_file():
                message = f"{self.program} -dt {self._device()}: no output; it printed: {printed}"
                raise MeasurementError(message)
            return decode_output(output.read_bytes())

    def _run(self, proto: Path, folder: Path) -> str:
        command = [
            *([self.emulator] if self.emulator else []), self.program.resolve(),
            "-mt", "TNN", "-mp", proto.resolve(), "-dt", self._device(), "-th", "1",
            "-wc", "0", "-ic", "1", "-pr", "HIGH" if self.exact else "AUTO",
            "-ip", INPUT_NAME, "-op", OUTPUT_NAME,
        ]  # fmt: skip
        try:
            finished = run(command, timeout_s=DEADLINE_S, cwd=folder)
        except TimeoutError as error:
            message = f"{self.program} did not end within {DEADLINE_S:g} s"
            raise MeasurementError(message) from error
        except OSError as error:
            message = (
                f"{self.program} cannot be started here ({error.strerror}); name a build for this "
                "machine, or an --emulator such as qemu-aarch64-static"
            )
            raise DeviceError(message) from error
        lines = (finished.stdout + finished.stderr).strip().splitlines()
        return lines[-1] if lines else f"nothing (exit code {finished.returncode})"

    def _device(self) -> str:
        if self.device is not None:
            return self.device
        abi = read_elf(self.program.read_bytes(), str(self.program)).abi
        if abi not in DEVICE_TYPES:
            message = f"{self.program}: for no processor that TNN has a device for; name it"
            raise DeviceError(message)
        return DEVICE_TYPES[abi]
