from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.benchmark_model import (
    LITERT_RESULTS,
    OLDER_GPU,
    OLDER_LAYERS,
    PHONE,
    PHONE_LOG,
    done,
)
from topformer_cli.bench.formats.benchmark_layers import parse_layers
from topformer_cli.bench.formats.benchmark_log import parse_round, tells
from topformer_cli.bench.plan import Call
from topformer_cli.bench.station import ShellResult
from topformer_cli.errors import DeviceError, MeasurementError
from topformer_cli.results import LayerTime

CALL = Call(model="m.tflite", input="in", output="out", abi="arm64-v8a", iterations=10)
GPU = replace(CALL, accelerator="gpu")
MICROS = st.integers(0, 10**10)
WORDS = st.sampled_from(
    ["INFO: ", "count=", "count=3", " min=", " max=9", " avg=", "(all same)", "curr=1", "median=",
     "1e999", "nan", "-5", "9" * 30, "\n", "Initialized session in ", "ms", "ERROR: ", "Replacing ",
     " out of ", " node(s) with delegate (", ") node, yielding ", " partitions", "\x00", "\u2028",
     "===== Run Order =====\n", " 0.001  0.002  0.500%  0.500%  0.000  1  x\n"]
)  # fmt: skip
NOISE = st.lists(WORDS | st.text(max_size=8), max_size=40).map("".join)


def test_a_phone_is_read_in_milliseconds() -> None:
    one = parse_round(done(), CALL)
    assert (one.iterations, one.min_ms, one.max_ms) == (10, 281.739, 331.407)
    assert (one.mean_ms, one.median_ms, one.centre_ms) == (295.775, 286.332, 286.332)
    assert (one.load_ms, one.first_ms) == (125.518, 344.846)
    assert one.samples_ms == ()
    assert one.peak_kb is None


def test_a_phone_tells_which_operators_fell_back() -> None:
    assert tells(done()) == {
        "delegate": "TfLiteXNNPackDelegate",
        "delegated": 792,
        "operators": 836,
        "partitions": 21,
        "whole_graph": False,
        "fallback": 44,
        "footprint_kb": 117976,
        "p5_ms": 281.739,
        "p95_ms": 331.407,
    }


def test_an_older_program_without_prefixes_and_percentiles_is_read() -> None:
    one = parse_round(done(OLDER_GPU, ""), replace(GPU, iterations=50))
    assert (one.iterations, one.min_ms, one.max_ms, one.mean_ms) == (50, 113.737, 124.776, 119.375)
    assert one.median_ms is None
    assert tells(done(OLDER_GPU, "")) == {
        "delegate": "GPU",
        "delegated": None,
        "operators": None,
        "partitions": None,
        "whole_graph": True,
    }


def test_a_second_delegate_takes_what_the_first_left() -> None:
    log = (
        "VERBOSE: Replacing 60 out of 70 node(s) with delegate (LITERT_CL) node, yielding 3 "
        "partitions for subgraph 0 (main).\nVERBOSE: Replacing 8 out of 12 node(s) with delegate "
        "(TfLiteXNNPackDelegate) node, yielding 4 partitions for subgraph 0 (main).\n"
    )
    told = tells(done(stderr=log))
    assert (told["delegate"], told["delegated"], told["fallback"]) == ("LITERT_CL", 60, 2)
    assert told["further"] == [{"delegate": "TfLiteXNNPackDelegate", "delegated": 8}]


def test_memory_of_both_programs_is_read() -> None:
    assert tells(done(stderr=LITERT_RESULTS))["footprint_kb"] == round(115.211 * 1024)
    assert tells(done(PHONE.split("INFO: Note")[0], LITERT_RESULTS))["footprint_kb"] == 6545142
    watched = "INFO: Overall peak memory footprint (MB) via periodic monitoring: 12.5\n"
    assert parse_round(done(PHONE + watched), CALL).peak_kb == 12800


@given(times=st.lists(MICROS, min_size=1, max_size=9), warm=st.lists(MICROS, max_size=2))
def test_every_line_that_the_program_can_print_is_read(times: list[int], warm: list[int]) -> None:
    text = f"INFO: {line(warm)}\n\nINFO: {line(times)}\n\n"
    one = parse_round(done(text, ""), replace(CALL, iterations=len(times)))
    assert one.iterations == len(times)
    assert (one.min_ms, one.max_ms) == (min(times) / 1000, max(times) / 1000)
    assert one.mean_ms == pytest.approx(sum(times) / len(times) / 1000, rel=1e-5)
    assert one.median_ms == sorted(times)[len(times) * 50 // 100] / 1000
    assert one.first_ms == (warm or times)[0] / 1000


def line(times: list[int]) -> str:
    """Write the figures as Stat and StatWithPercentiles of xla/tsl/util/stats_calculator.h do."""
    count, ordered = len(times), sorted(times)
    text = f"count={count}"
    if count and ordered[0] == ordered[-1]:
        text += f" curr={times[-1]}" + ("(all same)" if count > 1 else "")
    elif count:
        text += f" first={times[0]} curr={times[-1]} min={ordered[0]} max={ordered[-1]}"
        text += f" avg={sum(times) / count:g} std=0"
    for name, share in (("p5", 5), ("median", 50), ("p95", 95)):
        text += f" {name}={ordered[count * share // 100] if count else 0}"
    return text


@given(stdout=NOISE, stderr=NOISE, returncode=st.sampled_from([0, 0, 1, 134]))
def test_any_text_is_a_round_or_one_line(stdout: str, stderr: str, returncode: int) -> None:
    what = done(stdout, stderr, returncode)
    message = ""
    try:
        one = parse_round(what, replace(CALL, iterations=1))
    except (MeasurementError, DeviceError) as error:
        message = str(error)
    else:
        assert returncode == 0
        assert 0 <= one.min_ms <= one.max_ms
    assert len(message.splitlines()) <= 1
    assert all(value is not None for value in [tells(what), parse_layers(what)])


@pytest.mark.parametrize(
    ("what", "message"),
    [
        (done("INFO: STARTING!\n", ""), "ended without its figures; it printed: INFO: STARTING!"),
        (done(PHONE.replace("count=10", "count=9")), "stopped after 9 of 10 inferences"),
        (done(PHONE.replace("min=281739", "min=400000")), "times that are none: min 400.0 ms"),
        (done(PHONE.replace("avg=295775", "avg=nan")), "without its figures"),
        (
            done("INFO: STARTING!\n", "ERROR: Failed to load model m\nERROR: Benchmarking failed.",
                 1),
            r"failed \(exit code 1\): Failed to load model m$",
        ),
        (
            done("", "FATAL: The size of in is 4 bytes. It should be 786432 bytes.\n", 134),
            r"exit code 134\): The size of in is 4 bytes. It should be 786432 bytes.$",
        ),
        (done("", "ERROR: Failed to apply GPU delegate.\nERROR: Benchmarking failed.\n", 1),
         "Failed to apply GPU delegate.$"),
        (
            done("WARN: Unconsumed cmdline flags: --export_model_runtime_info=true\n" + PHONE),
            "does not know --export_model_runtime_info=true; fetch the version",
        ),
        (done("", "", 1), "it printed: nothing"),
    ],
)  # fmt: skip
def test_what_is_no_measurement_is_said_in_a_line(what: ShellResult, message: str) -> None:
    with pytest.raises(MeasurementError, match=message):
        parse_round(what, CALL)


def test_a_program_that_the_phone_cannot_link_is_the_phones_error() -> None:
    said = 'CANNOT LINK EXECUTABLE "./benchmark_model": library "libnativewindow.so" not found\n'
    with pytest.raises(DeviceError, match=r"cannot start benchmark_model: CANNOT LINK .*window"):
        parse_round(done("", said, 1), CALL)


@pytest.mark.parametrize(
    "log",
    [
        PHONE_LOG,
        "",
        "INFO: Though GPU delegate is explicitly applied, the model graph will not be executed by "
        "the delegate.\n",
    ],
)
def test_a_gpu_that_took_nothing_is_refused(log: str) -> None:
    with pytest.raises(MeasurementError, match="no operator went there"):
        parse_round(done(stderr=log), GPU)
    taken = "VERBOSE: Replacing 1 out of 9 node(s) with delegate (LITERT_CL) node, yielding 3 "
    assert parse_round(done(stderr=f"{log}{taken}partitions\n"), GPU).iterations == 10


def test_layers_of_the_readme_are_read() -> None:
    assert parse_layers(done(OLDER_LAYERS, "")) == (
        LayerTime("[MobilenetV1/MobilenetV1/Conv2d_0/Relu6]", "CONV_2D", 4.269),
        LayerTime("[MobilenetV1/MobilenetV1/Conv2d_1_depthwise/Relu6]", "DEPTHWISE_CONV_2D", 2.15),
    )
    assert parse_layers(done()) == ()


def interpreter_table(rows: list[tuple[str, float, str]]) -> str:
    """Write a table as StatsCalculator::GetStatsByMetric does."""
    head = "============================== Run Order =============================="
    names = "\t[node type]\t[first]\t[avg ms]\t[%]\t[cdf%]\t[mem KB]\t[times called]\t[Name]"
    lines = [
        f"\t{kind:>40}\t{ms:9.3f}\t{ms:9.3f}\t{50:7.3f}%\t{50:7.3f}%\t{0:10.3f}\t{1:9d}\t{name}"
        for kind, ms, name in rows
    ]
    return "\n".join([head, names, *lines, "", ""])


def test_operators_within_a_delegate_take_the_place_of_its_node() -> None:
    text = (
        "INFO: Profiling Info for Benchmark Initialization:\n"
        + interpreter_table([("AllocateTensors", 9.0, "AllocateTensors/0")])
        + "INFO: Operator-wise Profiling Info for Regular Benchmark Runs:\n"
        + interpreter_table(
            [("TfLiteXNNPackDelegate", 2.0, "[logits]:70"), ("RESHAPE", 0.01, "[a]:3")]
        )
        + "Timings (microseconds): count=50 curr=2010\nDelegate internal: \n"
        + interpreter_table([("Convolution (NCHW, F32) IGEMM", 1.5, "Delegate/Convolution:0")])
    )
    assert parse_layers(done(text, PHONE_LOG)) == (
        LayerTime("[a]:3", "RESHAPE", 0.01),
        LayerTime("Delegate/Convolution:0", "Convolution (NCHW, F32) IGEMM", 1.5),
    )


def test_layers_of_litert_are_read() -> None:
    # The formats of litert/runtime/profiler_summarizer.cc: %60s, then %10.3f and %9.3f%%.
    rows = [("LITERT_CL", 3.0, "[Builtin]:70"), ("Delegate/conv 3", 2.5, "[Delegate]:0")]
    lines = "".join(
        f"{kind:>60} {0:10.3f} {ms:10.3f} {ms:10.3f} {50:9.3f}% {50:9.3f}% {0:10.3f} {99:14d}   "
        f"{name}\n"
        for kind, ms, name in rows
    )
    log = (
        "VERBOSE: Replacing 70 out of 70 node(s) with delegate (LITERT_CL) node, yielding 1 "
        "partitions for subgraph 0 (main).\nINFO: [benchmark_litert_model.h:180] \n"
        f"{'=' * 70} Run Order {'=' * 70}\n{lines}\n{'=' * 60} Top by Computation Time {'=' * 60}\n"
        f"{lines}"
    )
    assert parse_layers(done(PHONE, log)) == (LayerTime("[Delegate]:0", "conv 3", 2.5),)
