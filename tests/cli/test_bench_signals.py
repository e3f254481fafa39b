"""A measurement that is stopped says where its rounds are, however it is stopped."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Road

ROOT = Path(__file__).resolve().parents[2]
HANGUP = getattr(signal, "SIGHUP", None)


def stopped(road: Road, number: int) -> tuple[int, str]:
    """Send a signal to a measurement when its first round is over; return code and words."""
    command = [
        sys.executable, "-m", "topformer_cli", "bench", "--device", "host", "--rounds", "500",
        "--iterations", "3", "--warmup", "0", "--warmup-seconds", "0", "--seconds", "0",
        "--cool-seconds", "0", "--work-dir", str(road.runs), "--cache-dir", str(road.cache),
    ]  # fmt: skip
    with subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as measuring:
        assert measuring.stderr is not None
        told = ""
        for line in measuring.stderr:
            told += line
            if line.startswith("bench ") and not line.startswith("bench 0/"):
                break
        measuring.send_signal(number)
        told += measuring.stderr.read()
    return measuring.returncode, told


@pytest.mark.parametrize(
    ("number", "code", "word"),
    [
        (signal.SIGINT, 130, "interrupted"),
        (signal.SIGTERM, 143, "terminated"),
        pytest.param(
            HANGUP,
            129,
            "terminated",
            marks=pytest.mark.skipif(HANGUP is None, reason="this system has no SIGHUP"),
        ),
    ],
    ids=["SIGINT", "SIGTERM", "SIGHUP"],
)
def test_says_where_its_rounds_are(road: Road, number: int, code: int, word: str) -> None:
    returned, told = stopped(road, number)
    assert returned == code, told
    assert f"topformer: {word}; what was measured is in " in told
    record = Path(told.rsplit(" is in ", 1)[1].strip())
    assert '"finished": false' in record.read_text()
