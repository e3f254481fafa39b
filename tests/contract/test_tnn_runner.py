"""topformer-runner, compiled against a real TNN and run.

TOPFORMER_TNN_BUILD is a folder with a build of TNN whose sources are found from it;
TOPFORMER_TNN_CXX the compiler (g++ when absent), TOPFORMER_TNN_DEVICE the device (NAIVE) and
TOPFORMER_TNN_EMULATOR what starts the program on another machine.
"""

import os
import shlex
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from tests.contract.tnn_cases import CASES
from tests.fakes import real_tnn
from tests.fakes.runner_lines import call
from topformer_cli.bench.building.build import Built, build_runner
from topformer_cli.bench.building.compilers import choose_compiler
from topformer_cli.bench.formats.tensor_file import decode_outputs
from topformer_cli.bench.plan import Call
from topformer_cli.bench.programs.judge import judge
from topformer_cli.bench.runners import native
from topformer_cli.bench.station import ShellResult
from topformer_cli.deploy.passes import rewrite
from topformer_cli.deploy.tnn.convert import to_tnn
from topformer_cli.deploy.tnn.interpreter import load_tnn, run_tnn
from topformer_cli.errors import MeasurementError
from topformer_cli.process import run

pytestmark = pytest.mark.skipif(
    "TOPFORMER_TNN_BUILD" not in os.environ, reason="no build of TNN is named"
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    compiler = choose_compiler(os.environ.get("TOPFORMER_TNN_CXX", "g++"), None, "arm64-v8a")
    out = tmp_path_factory.mktemp("built") / "topformer-runner"
    return build_runner([Path(os.environ["TOPFORMER_TNN_BUILD"])], compiler, out)


@dataclass(frozen=True)
class Setting:
    """A network in a folder with an input, and the program that runs it."""

    folder: Path
    program: Path
    expected: dict[str, np.ndarray]

    def run(self, asked: Call, *more: str) -> ShellResult:
        """Run the program as asked, with arguments on top."""
        words = native.arguments(replace(asked, device=real_tnn.DEVICE))
        emulator = shlex.split(os.environ.get("TOPFORMER_TNN_EMULATOR", ""))
        done = run([*emulator, self.program, *words, *more], timeout_s=120, cwd=self.folder)
        return ShellResult(done.returncode, done.stdout, done.stderr)

    def refuses(self, asked: Call, *more: str) -> str:
        """Run it, and return the reason for which it ends with 3."""
        done = self.run(asked, *more)
        assert done.returncode == 3, done.stdout + done.stderr
        with pytest.raises(MeasurementError) as caught:
            native.parse_round(done, asked)
        assert not (self.folder / asked.output).exists()
        return str(caught.value)


@pytest.fixture
def setting(built: Built, tmp_path: Path) -> Setting:
    case = CASES["conv grouped"]
    proto = real_tnn.write(to_tnn(rewrite(case.model()).model, "case"), tmp_path)
    [(name, inputs)] = case.feeds().items()
    (tmp_path / "input").write_bytes(native.encode_input(inputs))
    return Setting(tmp_path, built.path, run_tnn(load_tnn(proto), {name: inputs}))


def test_what_was_built_is_judged_well_and_started(built: Built) -> None:
    assert native.recognises(built.path.read_bytes())
    assert native.origin_of(built.path.read_bytes()) == built.origin
    assert [one for one in judge(built.path) if one.remedy] == []
    assert built.started is not None


def test_times_and_outputs_are_whole(setting: Setting) -> None:
    clocks = setting.folder / "time_in_state"
    clocks.write_text("300000 5\n")
    asked = call(warmup=3, iterations=5, residency=clocks.name)
    done = setting.run(asked)
    one = native.parse_round(done, asked)
    assert len(one.samples_ms) == len(one.forward_ms) == 5
    assert all(
        0 < part <= whole for part, whole in zip(one.forward_ms, one.samples_ms, strict=True)
    )
    assert one.load_ms is not None
    assert one.first_ms is not None
    assert one.peak_kb is not None
    assert one.residency is not None
    assert one.residency.times == ((300000, 0),)
    found = decode_outputs((setting.folder / "output").read_bytes())
    assert found.keys() == setting.expected.keys()
    for name, reference in setting.expected.items():
        np.testing.assert_allclose(found[name], reference, rtol=0, atol=1e-5)
        content = (setting.folder / "output").read_bytes()
        [again] = native.fitting_outputs(content, [reference])
        np.testing.assert_array_equal(again, found[name])
    assert list(setting.folder.glob("*.part")) == []


def test_it_runs_for_the_time_that_is_asked(setting: Setting) -> None:
    asked = call(warmup=1, iterations=2, seconds=0.3)
    one = native.parse_round(setting.run(asked), asked)
    assert one.iterations > 2
    assert sum(one.samples_ms) < 600


def test_it_stays_on_the_core_that_is_asked(setting: Setting) -> None:
    cores = sorted(os.sched_getaffinity(0))
    done = setting.run(call(), "--cpus", f"{1 << cores[-1]:x}")
    assert f'"allowed":"{cores[-1]}"' in done.stdout.splitlines()[0]
    assert "Invalid argument" in setting.refuses(call(output="other"), "--cpus", "1" + 200 * "0")


def test_files_that_are_not_whole_are_named(setting: Setting) -> None:
    weights = setting.folder / "net.tnnmodel"
    content = weights.read_bytes()
    for size in (0, len(content) - 1, len(content) // 2):
        weights.write_bytes(content[:size])
        assert "weights net.tnnmodel" in setting.refuses(call())
    weights.unlink()
    assert "weights net.tnnmodel: No such file" in setting.refuses(call())
    weights.write_bytes(content)
    assert "input nothing: No such file" in setting.refuses(call(input="nothing"))
    (setting.folder / "short").write_bytes(b"\0\0\0\0")
    assert "input short: 4 bytes, the network takes" in setting.refuses(call(input="short"))
    assert "model none.tnnproto: No such file" in setting.refuses(call(model="none.tnnproto"))
    assert "output no/folder.part" in setting.refuses(call(output="no/folder"))


def test_wrong_words_are_refused(setting: Setting) -> None:
    for words, reason in (
        (("--precision", "half"), "choose from fp32, auto"),
        (("--device", "CUDA"), "choose from ARM, X86"),
        (("--iterations", "0"), "at least 1"),
        (("--iterations", "1.5"), "whole number"),
        (("--cpus", "0x1"), "bare hexadecimal"),
        (("--faster", "1"), "no such option"),
        (("--model",), "without its value"),
    ):
        assert reason in setting.refuses(call(), *words)
