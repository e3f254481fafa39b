"""What Google's benchmark_model programs print, and a program that behaves like them.

The texts are quoted from where a comment says; prefixes of logcat lines are left out, as the
programs print the same lines to stdout and stderr.
"""

import shutil
import subprocess
from pathlib import Path
from typing import Literal

import pytest

from tests.fakes.device_root import QEMU
from topformer_cli.bench.station import ShellResult

PHONE = """\
INFO: STARTING!
INFO: Log parameter values verbosely: [0]
INFO: Min num runs: [10]
INFO: Num threads: [4]
INFO: Graph: [/data/local/tmp/yolo26n_p2_fp16.tflite]
INFO: Signature to run: []
INFO: #threads used for CPU inference: [4]
INFO: Use gpu: [0]
INFO: Use NNAPI: [0]
INFO: Loaded model /data/local/tmp/yolo26n_p2_fp16.tflite
INFO: The input model file size (MB): 5.44486
INFO: Initialized session in 125.518ms.
INFO: Running benchmark for at least 1 iterations and at least 0.5 seconds but terminate if \
exceeding 150 seconds.
INFO: count=2 first=344846 curr=313209 min=313209 max=344846 avg=329028 std=15818 p5=313209 \
median=344846 p95=344846

INFO: Running benchmark for at least 10 iterations and at least 1 seconds but terminate if \
exceeding 150 seconds.
INFO: count=10 first=307053 curr=281739 min=281739 max=331407 avg=295775 std=16924 p5=281739 \
median=286332 p95=331407

INFO: Inference timings in us: Init: 125518, First inference: 344846, Warmup (avg): 329028, \
Inference (avg): 295775
INFO: Note: as the benchmark tool itself affects memory footprint, the following is only \
APPROXIMATE to the actual memory footprint of the model at runtime. Take the information at your \
discretion.
INFO: Memory footprint delta from the start of the tool (MB): init=81.3125 overall=115.211
"""
"""An OPPO A3x, 2026-07-08, from a public report of TensorFlow Lite's program."""

PHONE_LOG = """\
INFO: Initialized TensorFlow Lite runtime.
INFO: Created TensorFlow Lite XNNPACK delegate for CPU.
VERBOSE: Replacing 792 out of 836 node(s) with delegate (TfLiteXNNPackDelegate) node, yielding 21 \
partitions for subgraph 0.
"""
"""What the same run said of delegates, on stderr."""

OLDER_GPU = """\
STARTING!
Log parameter values verbosely: [0]
Min num runs: [50]
Use gpu: [1]
Loaded model /data/local/tmp/tflite/denoising_32bit.tflite
INFO: Initialized TensorFlow Lite runtime.
INFO: Created TensorFlow Lite delegate for GPU.
INFO: Initialized OpenCL-based API.
INFO: Created 1 GPU delegate kernels.
Explicitly applied GPU delegate, and the model graph will be completely executed by the delegate.
The input model file size (MB): 7.07479
Initialized session in 870.557ms.
Running benchmark for at least 1 iterations and at least 0.5 seconds but terminate if exceeding \
150 seconds.
count=4 first=130565 curr=120829 min=117370 max=130565 avg=122373 std=4930

Running benchmark for at least 50 iterations and at least 1 seconds but terminate if exceeding \
150 seconds.
count=50 first=119212 curr=118055 min=113737 max=124776 avg=119375 std=1948

Inference timings in us: Init: 870557, First inference: 130565, Warmup (avg): 122373, \
Inference (avg): 119375
"""
"""tensorflow/tensorflow#43541, TensorFlow 1.15: no prefixes and no percentiles yet."""

LITERT_RESULTS = """\

========== BENCHMARK RESULTS ==========
INFO: [benchmark_litert_model.h:92] Signature name:       prefill_1024
INFO: [benchmark_litert_model.h:94] Model initialization: 23744.73 ms
INFO: [benchmark_litert_model.h:96] Warmup (first):       7441.04 ms
INFO: [benchmark_litert_model.h:98] Warmup (avg):         7441.04 ms (1 runs)
INFO: [benchmark_litert_model.h:100] Inference (avg):      7430.20 ms (10 runs)
INFO: [benchmark_litert_model.h:104] Inference (min):      7416.40 ms
INFO: [benchmark_litert_model.h:106] Inference (max):      7448.86 ms
INFO: [benchmark_litert_model.h:108] Inference (std):      9.92
INFO: [benchmark_litert_model.h:115] Throughput:           27.46 MB/s
INFO: [benchmark_litert_model.h:124] \nMemory Usage:
INFO: [benchmark_litert_model.h:126] Init footprint:       6391.74 MB
INFO: [benchmark_litert_model.h:128] Overall footprint:    6391.74 MB
INFO: [benchmark_litert_model.h:135] Peak memory usage not available. (peak_mem_mb <= 0)
"""
"""mlcommons/mobile_app_open#1134, LiteRT 2.1.5's program."""

OLDER_LAYERS = """\
============================== Run Order ==============================
\t             [node type]\t  [start]\t  [first]\t [avg ms]\t     [%]\t  [cdf%]\t  [mem KB]\
\t[times called]\t[Name]
\t                 CONV_2D\t    0.000\t    4.269\t    4.269\t  0.107%\t  0.107%\t     0.000\
\t        0\t[MobilenetV1/MobilenetV1/Conv2d_0/Relu6]
\t       DEPTHWISE_CONV_2D\t    4.270\t    2.150\t    2.150\t  0.054%\t  0.161%\t     0.000\
\t        0\t[MobilenetV1/MobilenetV1/Conv2d_1_depthwise/Relu6]

============================== Top by Computation Time ==============================
\t             [node type]\t  [start]\t  [first]\t [avg ms]\t     [%]\t  [cdf%]\t  [mem KB]\
\t[times called]\t[Name]
\t                 CONV_2D\t    0.000\t    4.269\t    4.269\t  0.107%\t  0.107%\t     0.000\
\t        0\t[MobilenetV1/MobilenetV1/Conv2d_0/Relu6]
"""
"""tflite/tools/benchmark/README.md of google-ai-edge/LiteRT at v2.2.0, shortened."""


def done(stdout: str = PHONE, stderr: str = PHONE_LOG, returncode: int = 0) -> ShellResult:
    """Return what such a process leaves behind."""
    return ShellResult(returncode, stdout, stderr)


BENCHMARK_C = r"""
/* Twice the input plus one, behind the command line of a benchmark_model.

   With INTERPRETER it is TensorFlow Lite's, which reads the input and writes the output, otherwise
   LiteRT's. Its model is a LiteRT file whose bytes from 8 on are the number of float32 inputs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifdef INTERPRETER
static const char *known[] = {
    "graph", "num_threads", "warmup_runs", "warmup_min_secs", "num_runs", "min_secs", "max_secs",
    "use_gpu", "input_layer", "input_layer_shape", "input_layer_value_files", "output_filepath",
    "gpu_precision_loss_allowed", "use_xnnpack", "enable_op_profiling",
    "max_profiling_buffer_entries"};
#else
static const char *known[] = {
    "graph", "num_threads", "warmup_runs", "warmup_min_secs", "num_runs", "min_secs", "max_secs",
    "use_gpu", "gpu-precision", "use_profiler"};
#endif

static float values[1 << 20], results[1 << 20];
static long size;

static const char *option(int count, char **words, const char *name) {
    for (int i = 1; i < count; i++)
        if (!strncmp(words[i], "--", 2) && !strncmp(words[i] + 2, name, strlen(name)) &&
            words[i][2 + strlen(name)] == '=')
            return words[i] + 3 + strlen(name);
    return "";
}

static void tell_unknown(int count, char **words) {
    for (int i = 1; i < count; i++) {
        int found = 0;
        for (size_t k = 0; k < sizeof known / sizeof *known; k++) {
            size_t length = strlen(known[k]);
            found |= !strncmp(words[i] + 2, known[k], length) && words[i][2 + length] == '=';
        }
        if (!found) printf("WARN: Unconsumed cmdline flags: %s\n", words[i]);
    }
}

static long micros(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000L + now.tv_nsec / 1000;
}

static int ascending(const void *a, const void *b) {
    long one = *(const long *)a, two = *(const long *)b;
    return (one > two) - (one < two);
}

static void run(long least, double seconds, double most) {
    static long times[1 << 16];
    printf("INFO: Running benchmark for at least %ld iterations and at least %g seconds but "
           "terminate if exceeding %g seconds.\n", least, seconds, most);
    long begun = micros(), now = begun, count = 0, first = 0, curr = 0;
    double sum = 0;
    while ((count < least || now < begun + (long)(seconds * 1e6)) && count < 1 << 16) {
        long from = micros();
        for (long i = 0; i < size; i++) results[i] = 2 * values[i] + 1;
        curr = times[count] = micros() - from;
        first = count++ ? first : curr;
        sum += curr;
        now = micros();
    }
    long last = curr;
    qsort(times, count, sizeof *times, ascending);
    printf("INFO: count=%ld", count);
    if (count && times[0] == times[count - 1])
        printf(count > 1 ? " curr=%ld(all same)" : " curr=%ld", last);
    else if (count)
        printf(" first=%ld curr=%ld min=%ld max=%ld avg=%g std=0", first, last, times[0],
               times[count - 1], sum / count);
    printf(" p5=%ld median=%ld p95=%ld\n\n", count ? times[count * 5 / 100] : 0L,
           count ? times[count * 50 / 100] : 0L, count ? times[count * 95 / 100] : 0L);
}

static int load(const char *path) {
    char head[8], digits[32] = "";
    FILE *file = fopen(path, "rb");
    if (!file || fread(head, 1, 8, file) != 8 || memcmp(head + 4, "TFL3", 4)) {
        fprintf(stderr, "ERROR: Failed to load model %s\nERROR: Benchmarking failed.\n", path);
        return 0;
    }
    if (!fread(digits, 1, 31, file)) return 0;
    size = atol(digits);
    fclose(file);
    return size > 0 && size <= 1 << 20;
}

#ifdef INTERPRETER
static void read_input(const char *pair) {
    const char *path = strchr(pair, ':') ? strchr(pair, ':') + 1 : pair;
    FILE *file = fopen(path, "rb");
    if (!file) {
        fprintf(stderr, "FATAL: Failed to read the input_layer_value_file:%s\n", path);
        exit(134);
    }
    fseek(file, 0, SEEK_END);
    if (ftell(file) != size * 4) {
        fprintf(stderr, "FATAL: The size of %s is %ld bytes. It should be %ld bytes.\n", path,
                ftell(file), size * 4);
        exit(134);
    }
    rewind(file);
    if (fread(values, 4, size, file) != (size_t)size) exit(134);
    fclose(file);
}
#endif

int main(int count, char **words) {
    printf("INFO: STARTING!\n");
#ifdef INTERPRETER
    if (count > 1 && !strcmp(words[1], "--help"))
        return puts("--output_filepath= File path to export outputs layer as binary data.");
#endif
    tell_unknown(count, words);
    if (!load(option(count, words, "graph"))) return 1;
    int gpu = !strcmp(option(count, words, "use_gpu"), "true");
    const char *delegate = gpu ? "LITERT_CL" : "TfLiteXNNPackDelegate";
    fprintf(stderr, "VERBOSE: Replacing 2 out of 2 node(s) with delegate (%s) node, yielding 1 "
            "partitions for subgraph 0 (main).\n", delegate);
    printf("INFO: Initialized session in 1.25ms.\n");
#ifdef INTERPRETER
    printf("INFO: Explicitly applied %s delegate, and the model graph will be completely executed "
           "by the delegate.\n", gpu ? "GPU" : "XNNPACK");
    read_input(option(count, words, "input_layer_value_files"));
#endif
    double most = atof(option(count, words, "max_secs"));
    run(atol(option(count, words, "warmup_runs")),
        atof(option(count, words, "warmup_min_secs")), most);
    run(atol(option(count, words, "num_runs")), atof(option(count, words, "min_secs")), most);
#ifdef INTERPRETER
    FILE *output = fopen(option(count, words, "output_filepath"), "wb");
    if (output && fwrite(results, 4, size, output) == (size_t)size) fclose(output);
    printf("INFO: Memory footprint delta from the start of the tool (MB): init=1.5 overall=2.5\n");
#else
    fprintf(stderr, "INFO: [benchmark_litert_model.h:90] \n"
            "========== BENCHMARK RESULTS ==========\n"
            "INFO: [benchmark_litert_model.h:128] Overall footprint:    2.50 MB\n");
#endif
    return 0;
}
"""

Kind = Literal["litert", "tflite"]


def write_model(path: Path, values: int) -> Path:
    """Write a model of the program above: it takes so many values and gives as many."""
    path.write_bytes(b"\x1c\x00\x00\x00TFL3" + f"{values}\n".encode())
    return path


def compile_benchmark(folder: Path, kind: Kind) -> Path:
    """Build the program for a phone's processor, static; skips where no compiler is."""
    compiler = shutil.which("aarch64-linux-gnu-gcc")
    if compiler is None or QEMU is None:
        pytest.skip("no aarch64-linux-gnu-gcc or no qemu-aarch64 on this machine")
    folder.mkdir(exist_ok=True)
    source, program = folder / f"{kind}.c", folder / f"benchmark_model_{kind}"
    source.write_text(BENCHMARK_C)
    define = ["-DINTERPRETER"] if kind == "tflite" else []
    command = [compiler, "-O1", "-static", *define, "-o", str(program), str(source)]
    subprocess.run(command, check=True, capture_output=True)
    return program
