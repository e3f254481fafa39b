from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from topformer_cli.bench.formats import run_model
from topformer_cli.bench.formats.run_model import SAMPLE, check_arguments, decode_printed
from topformer_cli.bench.plan import Call
from topformer_cli.bench.station import ShellResult
from topformer_cli.errors import MeasurementError

CALL = Call(model="net.tflite", input="i", output="o", abi="arm64-v8a")
HEAD = "I0000 00:00:1790597656.477218   12740 "


def printed(name: str, values: np.ndarray, sample: int = SAMPLE, kind: int = 1) -> str:
    """Write a buffer as PrintTensorBuffer and PrintTensorSamples of v2.2.0 do."""
    total, flat = values.size, values.ravel()
    texts = [
        f"run_model.cc:330] {name} buffer 0:",
        f"run_model.cc:331]   Size: {flat.nbytes} bytes",
        f"run_model.cc:332]   ElementType: {kind}",
        "run_model.cc:333]   BufferType: 1",
        "run_model.cc:339]   Dimensions: [",
        *[f"run_model.cc:341]     {side}" for side in values.shape],
        "run_model.cc:344]   ]",
        f"run_model.cc:345]   Total logical elements: {total}",
        "tensor_utils.h:150]   Stats:",
        "tensor_utils.h:151]     Min: -2",
    ]
    begin = min(sample, total)
    stretches = [(0, begin, f"Beginning {begin} elements:")]
    if total > 2 * sample:
        middle = total // 2 - sample // 2
        stretches.append((middle, sample, f"Middle {sample} elements (starting at {middle}):"))
    if total > sample:
        stretches.append((total - sample, sample, f"Ending {sample} elements:"))
    for first, count, title in stretches:
        texts.append(f"tensor_utils.h:186]   {title}")
        texts += [
            f"tensor_utils.h:180]     {at}: {flat[at]:g}" for at in range(first, first + count)
        ]
    return "".join(f"{HEAD}{text}\n" for text in texts)


def ran(outputs: np.ndarray, kind: int = 1) -> ShellResult:
    start = (
        "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n"
    )
    log = start + printed("Input", np.full((1, 3, 2, 2), 9.0))
    log += printed("Output", outputs, kind=kind) + f"{HEAD}run_model.cc:480] Model run completed\n"
    return ShellResult(0, "", log)


@pytest.mark.parametrize("shape", [(1, 3, 4, 4), (1, 2, 100, 75), (1, 5, 100, 100)])
def test_the_stretches_are_compared(shape: tuple[int, ...]) -> None:
    reference = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    values, wanted = decode_printed(ran(reference), reference)
    assert values.size == min(reference.size, 3 * SAMPLE)
    np.testing.assert_allclose(values, wanted, rtol=1e-5)
    assert wanted[0] == reference.ravel()[0]
    assert wanted[-1] == reference.ravel()[-1]


def test_another_output_shows() -> None:
    reference = np.arange(48, dtype=np.float32)
    values, wanted = decode_printed(ran(reference[::-1]), reference)
    assert np.abs(values - wanted).max() == 47


def test_labels_keep_their_type() -> None:
    labels = np.arange(64).reshape(8, 8)
    values, wanted = decode_printed(ran(labels, kind=2), labels)
    assert values.dtype == labels.dtype
    np.testing.assert_array_equal(values, wanted)


@pytest.mark.parametrize(
    ("done", "message"),
    [
        (ran(np.zeros(5)), "has 5 values, the reference 48"),
        (ran(np.zeros(48), kind=4), "cannot print outputs of LiteRT's type 4"),
        (replace(ran(np.zeros(48)), stderr=""), "ended without printing its output"),
        (
            replace(ran(np.zeros(48)), stderr=ran(np.zeros(48)).stderr.rpartition("    40:")[0]),
            "printed 40 values of 48; it was cut off",
        ),
        (
            ShellResult(1, "", f"E{HEAD[1:]}run_model.cc:515] Failed to find input file x.raw.\n"),
            r"exit code 1\): Failed to find input file x.raw.$",
        ),
        (ShellResult(1, "", ""), "no reason given"),
    ],
)
def test_what_cannot_be_compared_is_said(done: ShellResult, message: str) -> None:
    with pytest.raises(MeasurementError, match=message):
        decode_printed(done, np.zeros(48, np.float32))


@given(st.text(max_size=300), st.sampled_from([0, 1]))
def test_any_text_is_one_line(text: str, returncode: int) -> None:
    said = f"{HEAD}run_model.cc:1] Output buffer 0:\n{text}"
    with pytest.raises(MeasurementError) as caught:
        decode_printed(ShellResult(returncode, "", said), np.zeros(48, np.float32))
    assert len(str(caught.value).splitlines()) == 1


def test_flags_follow_the_accelerator() -> None:
    assert "--accelerator=cpu" in check_arguments(CALL)
    assert "--gpu_precision=fp32" in check_arguments(replace(CALL, accelerator="gpu"))
    assert not any("precision" in flag for flag in check_arguments(CALL))
    assert run_model.recognises(b"Decide if random value should be filled into tensor buffer to")
    assert not run_model.recognises(b"========== BENCHMARK RESULTS ==========")
