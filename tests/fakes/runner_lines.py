"""What the real topformer-runner printed: TopFormer-tiny at 512x512 on an x86 build of TNN."""

import json
from dataclasses import replace
from typing import Any

from topformer_cli.bench.plan import Call
from topformer_cli.bench.station import ShellResult

ALLOWED = "Cpus_allowed_list:\t1\n"
"""The kernel's line, which the station prints before the runner's first."""

WELL = r"""
{"event":"start","runner":"topformer-runner 1","engine":"TNN","origin":"f0cb08129a05","pid":26584,"fp16_kernels":false,"fp16_processor":false,"allowed":"1"}
{"event":"loaded","ms":82.258348,"input":[1,3,512,512]}
{"event":"first","ms":73.882755}
{"event":"warm","iterations":2}
{"event":"residency","text":"300000 10\n576000 20\n2841600 3000\n"}
{"event":"run","at_ns":12647740923861,"in_ns":160820,"forward_ns":62989508,"out_ns":297243}
{"event":"run","at_ns":12647804376710,"in_ns":169583,"forward_ns":52722996,"out_ns":288891}
{"event":"run","at_ns":12647857563618,"in_ns":164015,"forward_ns":53143883,"out_ns":286177}
{"event":"residency","text":"300000 10\n576000 20\n2841600 3017\n"}
{"event":"note","text":"no times of layers: this TNN was built without TNN_PROFILER_ENABLE (with GCC it also needs CMAKE_CXX_FLAGS='-include algorithm')"}
{"event":"done","iterations":3,"peak_kb":73024,"allowed":"1"}
""".lstrip()  # noqa: E501 - as it came

TNN_LOG = "E/tnn: Init [File source/tnn/core/instance.cc][Line 61] device is nil or unsupported\n"
FAILED = r"""
{"event":"start","runner":"topformer-runner 1","engine":"TNN","origin":"f0cb08129a05","pid":17702,"fp16_kernels":false,"fp16_processor":false,"allowed":"0-1"}
{"event":"error","what":"create the network: TNN code: 0x9000 msg: device is nil or unsupported"}
""".lstrip()  # noqa: E501 - as it came

PROFILE = """
-----------------------------------------------------------------------------------------------------------------------------------------------
                                                                Profiling Data
-----------------------------------------------------------------------------------------------------------------------------------------------
|                     name |      Op Type | Kernel(ms) |     Input Dims |    Output Dims |  Filter(OIHW) | Group |  Stride |   Pad | Dilation |
-----------------------------------------------------------------------------------------------------------------------------------------------
|                   conv2d |  Convolution |      1.776 |  [1,3,512,512] | [1,16,256,256] |    [16,3,3,3] |     1 |   [2,2] | [1,1] |    [1,1] |
|                 conv2d_1 |  Convolution |      1.901 | [1,16,256,256] | [1,16,256,256] |    [16,1,3,3] |    16 |   [1,1] | [1,1] |    [1,1] |
|                      add |          Add |      0.254 | [1,16,256,256] | [1,16,256,256] |               |       |         |       |          |
-----------------------------------------------------------------------------------------------------------------------------------------------
                                                       Profiling Data Sort by Cost time
-----------------------------------------------------------------------------------------------------------------------------------------------
|                     name |      Op Type | Kernel(ms) |     Input Dims |    Output Dims |  Filter(OIHW) | Group |  Stride |   Pad | Dilation |
-----------------------------------------------------------------------------------------------------------------------------------------------
|                 conv2d_1 |  Convolution |      1.901 | [1,16,256,256] | [1,16,256,256] |    [16,1,3,3] |    16 |   [1,1] | [1,1] |    [1,1] |
|                   conv2d |  Convolution |      1.776 |  [1,3,512,512] | [1,16,256,256] |    [16,3,3,3] |     1 |   [2,2] | [1,1] |    [1,1] |
|                      add |          Add |      0.254 | [1,16,256,256] | [1,16,256,256] |               |       |         |       |          |
-----------------------------------------------------------------------------------------------------------------------------------------------
------------------------------------------------------
                       Summary
------------------------------------------------------
|      Op Type | Total Kernel Time(ms) | Percent (%) |
------------------------------------------------------
|  Convolution |                 3.677 |      93.538 |
|          Add |                 0.254 |       6.462 |
------------------------------------------------------
kernel runtime total: 3.931 ms

"""[1:]  # noqa: E501 - as it came, most of its rows left out


def call(**changes: Any) -> Call:
    """Return what a runner was asked for in these tests."""
    usual = Call(model="net.tnnproto", input="input", output="output", abi="arm64-v8a")
    return replace(usual, **changes)


def done(stdout: str, stderr: str = "", returncode: int = 0) -> ShellResult:
    """Return the end of a process."""
    return ShellResult(returncode, stdout, stderr)


def told(*events: dict[str, Any]) -> ShellResult:
    """Return the end of a process that told these events."""
    return done("".join(json.dumps(event) + "\n" for event in events))
