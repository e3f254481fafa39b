"""Programs that a fake phone runs in the place of TNNTest."""

import hashlib
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.fakes.device_root import QEMU
from topformer_cli.bench.runner import Runner

COMPILER: Final = shutil.which("aarch64-linux-gnu-gcc")
LINE = (
    "I/tnn: Print [File test/timer.cc][Line 59] net.tnnproto - ARM     TNN Benchmark time cost: "
    "min = %s   ms  |  max = %s   ms  |  avg = %s   ms "
)
WELL = f"cp 0/net.tnnmodel 0/output; echo '{LINE % (' 1.250', ' 2.500', ' 1.500')}'"
"""The model file of these tests holds the output that the network should give."""

ENDINGS = {
    "well": WELL,
    "either": (
        'for m in 0/net 1/other; do case "$*" in *$m.tnnproto*) '
        f"cp $m.tnnmodel ${{m%/*}}/output;; esac; done; echo '{LINE % ('1.0', '2.0', '1.5')}'"
    ),
    "well, slowly": f"sleep 0.6; {WELL}",
    "wrong at last": (
        "echo >> runs; [ $(wc -l < runs) -lt 4 ] || "
        f"{{ head -n 2 0/net.tnnmodel; tail -n +3 0/net.tnnmodel | tac; }} > 0/new; {WELL}; "
        "[ ! -e 0/new ] || mv 0/new 0/output"
    ),
    "exit 0 without its line": "echo 'read proto_file failed!'; exit 0",
    "unsupported device": (
        "echo 'E/tnn: Run [File test/test.cc] create instance failed: code: 0x9000' >&2; exit 0"
    ),
    "nan times": f"cp 0/net.tnnmodel 0/output; echo '{LINE % ('nan', 'nan', 'nan')}'",
    "no output file": f"echo '{LINE % ('1.0', '2.0', '1.5')}'",
    "output cut off": f"head -n 9 0/net.tnnmodel > 0/output; echo '{LINE % ('1.0', '2.0', '1.5')}'",
    "segfault": "kill -11 $$",
    "out of memory": "kill -9 $$",
    "abort": "kill -6 $$",
    "hangs": "echo $$ > pid; exec sleep 600",
    "not linked": 'echo \'CANNOT LINK EXECUTABLE "./TNNTest": library "libomp.so"\' >&2; exit 1',
    "wrong output": (
        "head -n 2 0/net.tnnmodel > 0/output; tail -n +3 0/net.tnnmodel | tac >> 0/output; "
        f"echo '{LINE % ('1.0', '2.0', '1.5')}'"
    ),
}


def script_runner(folder: Path, ending: str) -> Runner:
    """Return a runner that ends in one of these ways; it is a script, so it was not checked."""
    path = folder / "TNNTest"
    path.write_text(f"#!/bin/sh\n{ENDINGS[ending]}\n")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Runner("TNNTest", path, "arm64-v8a", "static", digest)


AFFINE_C = r"""
/* Twice the input plus one, behind TNNTest's command line. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *option(int count, char **words, const char *name) {
    for (int i = 1; i + 1 < count; i++)
        if (!strcmp(words[i], name)) return words[i + 1];
    return "";
}

int main(int count, char **words) {
    char shape[128] = "";
    FILE *proto = fopen(option(count, words, "-mp"), "r");
    FILE *input = fopen(option(count, words, "-ip"), "r");
    FILE *output = fopen(option(count, words, "-op"), "w");
    if (!proto || !input || !output || !fgets(shape, sizeof shape, proto)) return 2;
    float values[4096];
    int size = 0;
    while (size < 4096 && fscanf(input, "%f", values + size) == 1) size++;
    int loops = atoi(option(count, words, "-ic"));
    double low = 1e9, high = 0, sum = 0;
    static float results[4096];
    for (int loop = 0; loop < loops; loop++) {
        struct timespec from, to;
        clock_gettime(CLOCK_MONOTONIC, &from);
        for (int i = 0; i < size; i++) results[i] = 2 * values[i] + 1;
        clock_gettime(CLOCK_MONOTONIC, &to);
        double ms = (to.tv_sec - from.tv_sec) * 1e3 + (to.tv_nsec - from.tv_nsec) / 1e6;
        low = ms < low ? ms : low;
        high = ms > high ? ms : high;
        sum += ms;
    }
    fprintf(output, "1\nlogits mat_type: 32 dims: %s\n", strtok(shape, "\n"));
    for (int i = 0; i < size; i++) fprintf(output, "%.6f\n", results[i]);
    fclose(output);
    printf("I/tnn: Print [File test/timer.cc][Line 59] %-45s TNN Benchmark time cost: min = %-8.3f"
           " ms  |  max = %-8.3f ms  |  avg = %-8.3f ms \n", "net.tnnproto - ARM", low, high,
           sum / loops);
    return 0;
}
"""
"""Its model's first line is the output shape in TNNTest's form, such as `4 1 3 4 4`."""

_ANSWER_C = r"""
/* One fixed answer, behind TNNTest's command line; answer.h holds the outputs' lines and values.
   TNNTest prints six decimals, too few for the small maps of a detector that is hardly trained. */
#include <stdio.h>
#include <string.h>
#include "answer.h"

int main(int count, char **words) {
    FILE *output = NULL;
    for (int i = 1; i + 1 < count; i++)
        if (!strcmp(words[i], "-op")) output = fopen(words[i + 1], "w");
    if (!output) return 2;
    fputs(HEADER, output);
    for (size_t i = 0; i < sizeof answer / sizeof *answer; i++)
        fprintf(output, "%.9g\n", answer[i]);
    fclose(output);
    printf("I/tnn: Print [File test/timer.cc][Line 59] %-45s TNN Benchmark time cost: min = %-8.3f"
           " ms  |  max = %-8.3f ms  |  avg = %-8.3f ms \n", "net.tnnproto - ARM", 1.0, 2.0, 1.5);
    return 0;
}
"""


def answering_runner(answer: Mapping[str, NDArray[np.float32]], folder: Path) -> Path:
    """Compile a phone's TNNTest that gives these outputs, by name, whatever its input."""
    if COMPILER is None or QEMU is None:
        pytest.skip("needs aarch64-linux-gnu-gcc and qemu-aarch64")
    lines = [str(len(answer))] + [
        f"{name} mat_type: 32 dims: {' '.join(map(str, (one.ndim, *one.shape)))}"
        for name, one in answer.items()
    ]
    values = ",".join(f"{value:.9g}f" for one in answer.values() for value in one.ravel().tolist())
    header = "".join(f"{line}\\n" for line in lines)
    (folder / "answer.h").write_text(
        f'#define HEADER "{header}"\nstatic const float answer[] = {{{values}}};\n'
    )
    (folder / "runner.c").write_text(_ANSWER_C)
    command = [COMPILER, "-O1", "-static", "-o", "TNNTest", "runner.c"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder / "TNNTest"
