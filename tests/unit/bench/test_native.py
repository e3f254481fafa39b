from pathlib import Path

import numpy as np
import pytest

from tests.fakes.runner_lines import PROFILE, WELL, call, done, told
from topformer_cli.bench.runners import native, tnntest
from topformer_cli.errors import DataError, MeasurementError
from topformer_cli.results import LayerTime

LAYERS = (
    LayerTime("conv2d", "Convolution", 1.776),
    LayerTime("conv2d_1", "Convolution", 1.901),
    LayerTime("add", "Add", 0.254),
)


def test_program_is_recognised_by_its_words() -> None:
    program = b"\x7fELF..\0@(#)topformer-runner 1 TNN f0cb08129a05\0.."
    assert native.recognises(program)
    assert not tnntest.recognises(program)
    assert native.origin_of(program) == "f0cb08129a05"
    assert native.origin_of(b"@(#)topformer-runner ") is None


def test_arguments_say_all_that_was_asked() -> None:
    asked = call(precision="auto", threads=2, warmup=3, warmup_s=0.5, iterations=7, seconds=2.5)
    words = native.arguments(asked)
    assert dict(zip(words[::2], words[1::2], strict=True)) == {
        "--model": "net.tnnproto", "--input": "input", "--output": "output", "--device": "ARM",
        "--precision": "auto", "--threads": "2", "--warmup": "3", "--warmup-seconds": "0.5",
        "--iterations": "7", "--seconds": "2.5",
    }  # fmt: skip
    more = native.arguments(call(residency="/sys/x", per_layer=True, accelerator="gpu"))
    assert more[-3:] == ("--residency", "/sys/x", "--per-layer")
    assert more[more.index("--device") + 1] == "OPENCL"


def test_input_is_little_endian_float32() -> None:
    swapped = np.arange(6, dtype=">f8").reshape(1, 3, 2, 1).transpose(0, 1, 3, 2)
    read = np.frombuffer(native.encode_input(swapped), "<f4").reshape(swapped.shape)
    np.testing.assert_array_equal(read, swapped)
    with pytest.raises(MeasurementError, match="nan or inf"):
        native.encode_input(np.array([np.inf], np.float32))


def test_layers_are_those_of_the_first_table_in_network_order() -> None:
    assert native.parse_layers(told({"event": "profile", "text": PROFILE})) == LAYERS
    assert tnntest.parse_layers(done(f"before\n{PROFILE}I/tnn: after\n")) == LAYERS
    assert native.parse_layers(done(WELL)) == ()
    assert tnntest.parse_layers(done("no table\n")) == ()


@pytest.mark.parametrize(
    ("old", "new"), [("1.901", "fast"), ("1.901", "nan"), ("Kernel(ms)", "Kernel(us)")]
)
def test_damaged_tables_are_refused(old: str, new: str) -> None:
    with pytest.raises(MeasurementError, match="table of TNN's profiler is not of its form"):
        tnntest.layers_of(PROFILE.replace(old, new))


def test_rounds_and_facts_come_from_the_events() -> None:
    assert native.parse_round(done(WELL), call(iterations=3)).iterations == 3
    assert native.tells(done(WELL))["origin"] == "f0cb08129a05"


def test_model_is_a_pair(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"net.onnx is no .tnnproto"):
        native.model_files(tmp_path / "net.onnx")


def test_device_that_is_named_goes_before_that_of_the_processor() -> None:
    for module, flag in ((native, "--device"), (tnntest, "-dt")):
        for device, expected in ((None, "ARM"), ("NAIVE", "NAIVE")):
            words = module.arguments(call(device=device))
            assert words[words.index(flag) + 1] == expected
