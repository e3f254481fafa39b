"""Fixtures for all tests."""

import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings

# Machines are shared and slow at times; pytest's own limit finds what hangs.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")

# As the command line does: threads that wait by spinning starve each other on shared cores.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

# A shell that starts the tests in the background has them ignore SIGINT, nohup SIGHUP, and so would
# every program that a test starts and ends by a signal.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real samples beside the checkout; its tests skip on a user's machine."""
    if not (SHARED / "data").is_dir():
        pytest.skip("the folder of real samples is not beside this checkout")
    return SHARED


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep every test out of the user's cache."""
    home = tmp_path / "topformer-home"
    monkeypatch.setenv("TOPFORMER_HOME", str(home))
    return home
