"""The one place that starts another program."""

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Finished:
    """What a program that ended left behind."""

    returncode: int
    stdout: str
    stderr: str


def run(
    command: Sequence[str | Path],
    *,
    timeout_s: float,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Finished:
    """Run a program to its end and return its exit code and output.

    Raises:
        TimeoutError: it did not end within `timeout_s` seconds; it has been killed.
        FileNotFoundError: there is no such program.
    """
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            cwd=cwd,
            env=env,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        message = f"{words[0]} did not end within {timeout_s:g} s"
        raise TimeoutError(message) from error
    return Finished(done.returncode, done.stdout, done.stderr)
