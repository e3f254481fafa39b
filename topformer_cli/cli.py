"""The command table, and the only place where an error becomes an exit code.

The table holds the one-line help, so that `topformer --help` imports no command.
"""

import errno
import importlib
import io
import os
import signal
import sys
import traceback
from types import FrameType
from typing import Final, NoReturn

import click

from topformer_cli import __version__
from topformer_cli.errors import ExportError, TopformerError, exit_code_of

COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "demo": ("topformer_cli.commands.demo", "The whole road in a few minutes, without network."),
    "data": ("topformer_cli.commands.data", "List, fetch, prepare, check and look at data sets."),
    "train": ("topformer_cli.commands.train", "Train from a recipe or on a prepared set."),
    "eval": (
        "topformer_cli.commands.eval",
        "Measure mIoU, accuracy or AP by the paper's protocol.",
    ),
    "segment": ("topformer_cli.commands.segment", "Draw the segmentation of images and videos."),
    "detect": ("topformer_cli.commands.detect", "Draw the objects in images and videos."),
    "export": ("topformer_cli.commands.export", "Convert to ONNX, TNN and LiteRT, verified."),
    "verify": ("topformer_cli.commands.verify", "Check that exported files compute the same."),
    "bench": ("topformer_cli.commands.bench", "Measure latency on a phone or on this host."),
    "sweep": ("topformer_cli.commands.sweep", "Find what fits my phone: sizes x inputs x engines."),
    "runner": ("topformer_cli.commands.runner", "Build and check the programs for phones."),
    "weights": (
        "topformer_cli.commands.weights",
        "List, fetch, convert and recognise others' weights.",
    ),
    "info": ("topformer_cli.commands.info", "Show a resolved recipe and what its model costs."),
    "report": ("topformer_cli.commands.report", "Put runs and measurements beside the paper."),
    "doctor": ("topformer_cli.commands.doctor", "Say what is missing on this machine."),
}

FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What the system says where a disk, or what a user or a file may take of it, is full."""


class CommandTable(click.Group):
    """A group whose commands are imported when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the names in the order of the road."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import one command."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(COMMANDS[cmd_name][0]).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the table without importing its commands."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=CommandTable, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="topformer")
def topformer() -> None:
    """From a data set to a phone with TopFormer, the mobile segmentation network.

    \b
    topformer demo                        try everything on this machine
    topformer data fetch ade20k
    topformer train --size tiny           then: topformer eval
    topformer bench --device SERIAL       latency on a connected phone
    """  # noqa: D301 - click reads \b


def main() -> NoReturn:
    """Run the command line and end the process with the documented exit code."""
    signal.signal(signal.SIGTERM, _terminate)
    # The terminal is closed; `nohup` has it ignored, and it stays so.
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        signal.signal(signal.SIGHUP, _terminate)
    if sys.stdout is None:  # closed by the caller, who does not want to read it
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123 - until the end
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names of files need not be UTF-8
    # GNU OpenMP's threads spin long for the next piece of work, which starves them all where
    # cores are shared (scripts/benchmarks/threads.py). Read when torch loads.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    # onnxruntime's wheels write a device id at import and may send usage over the network.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        code = run(sys.argv[1:])
    except SystemExit as stop:  # of `_terminate`
        if _notes(stop):
            _fail(_noted("terminated", stop), 0, verbose=False)
        raise
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Run one command line and return its exit code."""
    verbose = any(word in ("-v", "--verbose") for word in arguments)
    try:
        outcome = topformer.main(arguments, prog_name="topformer", standalone_mode=False)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort) as stop:
        return _fail(_noted("interrupted", stop), 130, verbose=verbose)
    except ExportError as error:
        return _stopped(error) or _fail(str(error), exit_code_of(error), verbose=verbose)
    except TopformerError as error:
        return _fail(str(error), exit_code_of(error), verbose=verbose)
    except BrokenPipeError:
        return 141
    except OSError as error:
        return _fail(_told_by_the_system(error), 1, verbose=verbose)
    except Exception as error:  # noqa: BLE001 - the last net before the shell
        text = _noted(f"unexpected {type(error).__name__}: {error} (-v shows where)", error)
        # Nobody could run one of several processes again, with -v, to see where.
        return _stopped(error) or _fail(text, 1, verbose=verbose or _one_of_several())
    return outcome if isinstance(outcome, int) else 0


def _told_by_the_system(error: OSError) -> str:
    text = f"{error.filename}: {error.strerror}" if error.filename else str(error)
    if error.errno in FULL:
        text += "; free some space or choose another place, then type the same line again"
    return text


def _stopped(error: BaseException) -> int:
    """Return the exit code of a signal that a library turned into this error of its own, or 0.

    Seen when the signal came while torch's exporter was being imported.
    """
    inner = error.__cause__ or error.__context__
    if isinstance(inner, KeyboardInterrupt):
        return 128 + signal.SIGINT
    if isinstance(inner, SystemExit) and isinstance(inner.code, int):
        return inner.code
    return _stopped(inner) if inner is not None else 0


def _noted(text: str, error: BaseException) -> str:
    return "; ".join([text, *_notes(error)])


def _notes(error: BaseException) -> list[str]:
    """Return what was added to an error; click puts one of its own around an interruption."""
    inner = error.__cause__ if isinstance(error, click.Abort) else error
    return list(getattr(inner, "__notes__", ()))


def _fail(text: str, code: int, *, verbose: bool) -> int:
    if verbose:
        traceback.print_exc()
    one_line_or_list = text if "\n  " in text else " ".join(text.split())
    click.echo(f"topformer: {_speaker()}{one_line_or_list}", err=True)
    return code


def _speaker() -> str:
    """Name this process where it is not the first of a training by several."""
    rank = os.environ.get("RANK", "0") if _one_of_several() else "0"
    return "" if rank == "0" else f"process {rank}: "


def _one_of_several() -> bool:
    return os.environ.get("WORLD_SIZE", "1") != "1" and "MASTER_ADDR" in os.environ


def _terminate(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001
    raise SystemExit(128 + number)
