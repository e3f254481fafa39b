import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests.fakes.benchmark_model import Kind, compile_benchmark, write_model
from tests.fakes.device_root import QEMU
from topformer_cli.bench.plan import Accelerator, Call
from topformer_cli.bench.runner_module import RunnerModule
from topformer_cli.bench.runners import litert, tflite, tnntest
from topformer_cli.bench.station import ShellResult
from topformer_cli.errors import DataError, MeasurementError, UsageError

MODULES: dict[Kind, RunnerModule] = {"litert": litert, "tflite": tflite}
REAL = os.environ.get("TOPFORMER_BENCHMARK_MODEL")
"""A benchmark_model for this machine."""

REAL_MODEL = os.environ.get("TOPFORMER_BENCHMARK_MODEL_FILE")
"""A LiteRT file with one float32 input [1, 3, 128, 128], the default of --input 128."""

SHAPE = (1, 3, 4, 4)
CALL = Call(
    model="net.tflite",
    input="input.bin",
    output="output.bin",
    abi="arm64-v8a",
    warmup=2,
    iterations=5,
    shape=SHAPE,
)


def run(program: list[str], module: RunnerModule, call: Call, folder: Path) -> ShellResult:
    command = [*program, *module.arguments(call)]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return ShellResult(ended.returncode, ended.stdout, ended.stderr)


@pytest.fixture(scope="module", params=["litert", "tflite"])
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Kind:
    kind: Kind = request.param
    PROGRAMS[kind] = compile_benchmark(tmp_path_factory.mktemp(kind), kind)
    return kind


PROGRAMS: dict[Kind, Path] = {}


def emulated(kind: Kind) -> list[str]:
    assert QEMU is not None
    return [QEMU, str(PROGRAMS[kind])]


def test_each_module_knows_its_program_and_no_other(built: Kind) -> None:
    content = PROGRAMS[built].read_bytes()
    assert [kind for kind, module in MODULES.items() if module.recognises(content)] == [built]
    assert not tnntest.recognises(content)


@pytest.mark.parametrize("accelerator", ["cpu", "gpu"])
def test_a_process_is_run_and_read(built: Kind, accelerator: Accelerator, tmp_path: Path) -> None:
    module = MODULES[built]
    write_model(tmp_path / "net.tflite", 48)
    inputs = np.random.default_rng(0).standard_normal(SHAPE).astype(np.float32)
    (tmp_path / "input.bin").write_bytes(module.encode_input(inputs))
    call = replace(CALL, accelerator=accelerator, seconds=0.05)
    done = run(emulated(built), module, call, tmp_path)
    one = module.parse_round(done, call)
    assert one.iterations > 5
    assert one.load_ms == 1.25
    assert one.median_ms is not None
    told = module.tells(done)
    assert (told["delegated"], told["operators"], told["fallback"]) == (2, 2, 0)
    assert told["footprint_kb"] == 2560
    if module.WRITES_OUTPUT:
        content = (tmp_path / "output.bin").read_bytes()
        [output] = module.fitting_outputs(content, [np.zeros(SHAPE, np.float32)])
        np.testing.assert_allclose(output, 2 * inputs + 1, rtol=1e-6)
    else:
        assert not (tmp_path / "output.bin").exists()


def test_profiling_and_no_warm_up_are_known_flags(built: Kind, tmp_path: Path) -> None:
    module = MODULES[built]
    write_model(tmp_path / "net.tflite", 48)
    (tmp_path / "input.bin").write_bytes(bytes(192))
    call = replace(CALL, warmup=0, per_layer=True, precision="auto", accelerator="gpu")
    one = module.parse_round(run(emulated(built), module, call, tmp_path), call)
    assert one.iterations == 5
    assert one.first_ms is not None


def test_missing_models_and_wrong_inputs_are_said(built: Kind, tmp_path: Path) -> None:
    module = MODULES[built]
    with pytest.raises(MeasurementError, match=r"exit code 1\): Failed to load model net.tflite$"):
        module.parse_round(run(emulated(built), module, CALL, tmp_path), CALL)
    if module.WRITES_OUTPUT:
        write_model(tmp_path / "net.tflite", 48)
        (tmp_path / "input.bin").write_bytes(bytes(8))
        done = run(emulated(built), module, CALL, tmp_path)
        with pytest.raises(MeasurementError, match=r"is 8 bytes. It should be 192 bytes"):
            module.parse_round(done, CALL)


def test_a_flag_of_the_other_program_is_refused(tmp_path: Path) -> None:
    program = compile_benchmark(tmp_path / "build", "litert")
    write_model(tmp_path / "net.tflite", 48)
    assert QEMU is not None
    done = run([QEMU, str(program)], tflite, CALL, tmp_path)
    with pytest.raises(MeasurementError, match="does not know --input_layer=input"):
        tflite.parse_round(done, CALL)


def test_flags_say_the_whole_protocol() -> None:
    call = replace(CALL, threads=4, warmup_s=3.0, seconds=2.5)
    common = (
        "--graph=net.tflite", "--num_threads=4", "--warmup_runs=2", "--warmup_min_secs=3",
        "--num_runs=5", "--min_secs=2.5", "--max_secs=86400",
    )  # fmt: skip
    assert litert.arguments(call) == common
    assert tflite.arguments(call) == (
        *common,
        "--input_layer=input", "--input_layer_shape=1,3,4,4",
        "--input_layer_value_files=input:input.bin", "--output_filepath=output.bin",
        "--use_xnnpack=true",
    )  # fmt: skip


def test_precision_is_a_matter_of_the_gpu() -> None:
    exact, free = replace(CALL, accelerator="gpu"), replace(CALL, precision="auto")
    assert "--gpu-precision=fp32" in litert.arguments(exact)
    assert "--gpu-precision=auto" in litert.arguments(replace(free, accelerator="gpu"))
    flags = tflite.arguments(exact)
    assert "--gpu_precision_loss_allowed=false" in flags
    assert flags.index("--use_gpu=true") < flags.index("--use_xnnpack=true")
    assert litert.arguments(free) == litert.arguments(CALL)
    assert not any("fp16" in flag for flag in tflite.arguments(free))


def test_an_input_without_a_shape_is_refused() -> None:
    with pytest.raises(UsageError, match="must be told the shape"):
        tflite.arguments(replace(CALL, shape=()))


def test_what_is_no_litert_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.tflite"
    with pytest.raises(DataError, match=r"cannot be read .*topformer export --format tflite"):
        litert.model_files(path)
    path.write_bytes(b"ONNX")
    with pytest.raises(DataError, match="no LiteRT file"):
        litert.model_files(path)
    assert litert.model_files(write_model(path, 1)) == (path,)


@given(
    hnp.arrays(
        st.sampled_from([np.float32, np.int64, np.int32, np.uint8]),
        hnp.array_shapes(max_dims=4, max_side=4),
    )
)
def test_outputs_come_back_as_they_were_written(array: np.ndarray) -> None:
    wide = np.zeros(array.shape, np.int64 if array.dtype.kind in "iu" else np.float32)
    [found] = tflite.fitting_outputs(array.tobytes(), [wide])
    np.testing.assert_array_equal(found, array)
    assert found.dtype == array.dtype
    for content in (array.tobytes()[:-1], bytes(8 * array.size + 1), b""):
        with pytest.raises(MeasurementError, match="cut off, or the model has another output"):
            tflite.fitting_outputs(content, [wide])
    with pytest.raises(MeasurementError, match="writes one output, 2 are to be compared"):
        tflite.fitting_outputs(array.tobytes(), [wide, wide])


def test_litert_says_that_it_has_no_output() -> None:
    with pytest.raises(MeasurementError, match=r"writes no output .* runner fetch tflite"):
        litert.fitting_outputs(b"", [np.zeros(3)])


def test_pictures_of_bytes_stay_bytes() -> None:
    assert tflite.encode_input(np.arange(3, dtype=np.uint8)) == b"\x00\x01\x02"
    assert len(tflite.encode_input(np.arange(3.0))) == 12


@pytest.mark.skipif(not (REAL and REAL_MODEL), reason="no benchmark_model and model are named")
def test_a_real_program_is_known_run_and_read(tmp_path: Path) -> None:
    assert REAL is not None
    assert REAL_MODEL is not None
    (module,) = [one for one in MODULES.values() if one.recognises(Path(REAL).read_bytes())]
    shutil.copyfile(REAL_MODEL, tmp_path / "net.tflite")
    shape = (1, 3, 128, 128)
    (tmp_path / "input.bin").write_bytes(module.encode_input(np.zeros(shape, np.float32)))
    call = replace(CALL, shape=shape, per_layer=True)
    done = run([REAL], module, call, tmp_path)
    assert module.parse_round(done, call).iterations >= 5
    assert module.parse_layers(done)
    assert (tmp_path / "output.bin").exists() == module.WRITES_OUTPUT
