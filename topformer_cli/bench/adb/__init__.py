"""The adb services that bench uses: files, commands, and every failure as one line."""

from topformer_cli.bench.adb.failures import CutError, DeadlineError, LinkLostError, remedy
from topformer_cli.bench.adb.server import (
    connect,
    features,
    listing,
    server_answers,
    server_version,
)
from topformer_cli.bench.adb.shell import Streams, shell
from topformer_cli.bench.adb.sync import pull, push
from topformer_cli.bench.adb.wire import Link, Wire, open_wire

__all__ = [
    "CutError",
    "DeadlineError",
    "Link",
    "LinkLostError",
    "Streams",
    "Wire",
    "connect",
    "features",
    "listing",
    "open_wire",
    "pull",
    "push",
    "remedy",
    "server_answers",
    "server_version",
    "shell",
]
