"""Work is shared out to processes, comes back whole, and nobody is left behind."""

import errno
import functools
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from topformer_cli.data.workers import run_jobs
from topformer_cli.errors import DataError, TopformerError

ROOT = Path(__file__).resolve().parents[3]


def scaled(job: int, factor: int) -> tuple[int, int]:
    return factor * job, os.getpid()


def failing(job: str) -> None:
    if job == "disk":
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/full/file")
    if job == "data":
        message = "mask 7 is wrong"
        raise DataError(message)
    os.kill(os.getpid(), signal.SIGKILL)


def sleeping(seconds: float) -> None:
    os.write(1, b"%d\n" % os.getpid())
    time.sleep(seconds)


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_every_job_comes_back_once(workers: int) -> None:
    done = list(run_jobs(functools.partial(scaled, factor=3), range(40), workers))
    assert sorted(job for job, _ in done) == list(range(40))
    assert all(result == 3 * job for job, (result, _) in done)
    own = {pid for _, (_, pid) in done} == {os.getpid()}
    assert own == (workers == 1)
    assert multiprocessing.active_children() == []


def test_more_workers_than_jobs() -> None:
    assert [job for job, _ in run_jobs(functools.partial(scaled, factor=1), [5], 3)] == [5]
    assert list(run_jobs(functools.partial(scaled, factor=1), [], 2)) == []


@pytest.mark.parametrize("workers", [1, 2])
def test_errors_arrive_as_they_were_raised(workers: int) -> None:
    with pytest.raises(OSError, match="No space left") as full:
        list(run_jobs(failing, ["disk"], workers))
    assert (full.value.errno, full.value.filename) == (errno.ENOSPC, "/full/file")
    with pytest.raises(DataError, match=r"^mask 7 is wrong$"):
        list(run_jobs(failing, ["data"], workers))
    assert multiprocessing.active_children() == []


def test_a_killed_worker_is_named_as_such() -> None:
    with pytest.raises(TopformerError, match=r"code -9 \(out of memory\?\).*--workers 1"):
        list(run_jobs(failing, ["kill"], 2))
    assert multiprocessing.active_children() == []


UNGUARDED = """
from topformer_cli.data.workers import run_jobs

list(run_jobs(abs, [1, 2], 2))
"""


def test_a_script_without_a_guard_is_told_of_it(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(UNGUARDED)
    done = subprocess.run(
        [sys.executable, str(tmp_path / "script.py")],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "below `if __name__ == '__main__'`" in done.stderr


def test_an_abandoned_crew_ends_at_once() -> None:
    jobs = run_jobs(time.sleep, [0.0, 60.0, 60.0], 2)
    assert next(jobs)[0] == 0.0
    started = time.monotonic()
    jobs.close()
    assert time.monotonic() - started < 10
    assert multiprocessing.active_children() == []


PARENT = """
from tests.unit.data.test_workers import sleeping
from topformer_cli.data.workers import run_jobs

if __name__ == "__main__":
    list(run_jobs(sleeping, [600.0] * 8, 2))
"""


def start_parent(folder: Path) -> "subprocess.Popen[str]":
    (folder / "parent.py").write_text(PARENT)
    return subprocess.Popen(
        [sys.executable, str(folder / "parent.py")],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")
def test_busy_workers_end_with_a_killed_parent(tmp_path: Path) -> None:
    parent = start_parent(tmp_path)
    assert parent.stdout is not None
    pids = {int(parent.stdout.readline()), int(parent.stdout.readline())}
    assert pids <= alive_in_session(parent.pid)
    parent.kill()
    parent.communicate(timeout=60)
    deadline = time.monotonic() + 20
    while alive_in_session(parent.pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert alive_in_session(parent.pid) == set()


def alive_in_session(session: int) -> set[int]:
    """Return the processes of a session that still run."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, own = path.read_text().rpartition(")")[2].split()[:4]
        except OSError:
            continue
        if int(own) == session and state != "Z":
            found.add(int(path.parent.name))
    return found


def test_an_interrupt_reaches_the_parent_alone(tmp_path: Path) -> None:
    parent = start_parent(tmp_path)
    assert parent.stdout is not None
    parent.stdout.readline()
    os.killpg(parent.pid, signal.SIGINT)
    _, errors = parent.communicate(timeout=60)
    assert errors.count("Traceback") == errors.count("KeyboardInterrupt\n") == 1
    assert parent.returncode == -signal.SIGINT
