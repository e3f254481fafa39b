"""How a global batch is shared out: by processes, and by what a device takes at once."""

from dataclasses import dataclass
from typing import Literal

from topformer_cli.errors import RecipeError


@dataclass(frozen=True, slots=True)
class Division:
    """processes x parts x images is the global batch."""

    processes: int
    parts: int
    images: int

    def __str__(self) -> str:
        """Say it, as in `2 processes x 2 parts x 4 images`."""
        counts = ((self.processes, "process", "processes"), (self.parts, "part", "parts"))
        words = [f"{n} {many if n > 1 else one}" for n, one, many in counts]
        return " x ".join([*words, f"{self.images} image{'s' if self.images > 1 else ''}"])


def divide(batch: int, device_batch: int | Literal["auto"], processes: int) -> Division:
    """Share a global batch out evenly, in as few parts as device_batch allows.

    Raises:
        RecipeError: it cannot be; says which numbers near by could.
    """
    if batch % processes:
        message = (
            f"batch {batch} cannot be shared out evenly among {processes} processes; "
            f"take -o batch={_around(batch, processes)}, or as many processes as divide it"
        )
        raise RecipeError(message)
    share = batch // processes
    most = share if device_batch == "auto" else device_batch
    parts = -(-share // most)
    if share % parts:
        fitting = [size for size in range(1, share + 1) if share % size == 0]
        sizes = _either([max(s for s in fitting if s <= most), min(s for s in fitting if s > most)])
        message = (
            f"the {share} images that each process takes (batch {batch}, processes: {processes}) "
            f"are not {parts} parts of one size with at most device_batch {most}; take "
            f"-o device_batch={sizes}, or -o batch={_around(batch, processes * most)}"
        )
        raise RecipeError(message)
    return Division(processes, parts, share // parts)


def _around(value: int, factor: int) -> str:
    """Name the multiples of a factor on both sides of a value."""
    below = value // factor * factor
    return _either([size for size in (below, below + factor) if size])


def _either(values: list[int]) -> str:
    return " or ".join(str(value) for value in values)
