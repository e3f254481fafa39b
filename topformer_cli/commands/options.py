"""Options that several commands share."""

import functools
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import click

from topformer_cli.errors import UsageError, did_you_mean
from topformer_cli.models.spec import SIZES
from topformer_cli.models.zoo import ZOO

Command = TypeVar("Command", bound=Callable[..., Any])
EXISTING_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
EXISTING_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
EXISTING_PATH = click.Path(exists=True, path_type=Path)
ANY_PATH = click.Path(path_type=Path)


class TorchDevice(click.ParamType):  # type: ignore[type-arg]
    """`auto`, `cpu`, `mps`, `cuda` or `cuda:N`."""

    name = "auto|cpu|cuda[:N]|mps"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Check the value; explain an adb serial."""
        if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", value):
            self.fail(
                f"{value!r} is no torch device (auto, cpu, cuda, cuda:N, mps); "
                "a phone's serial goes to `topformer bench --device`",
                param,
                ctx,
            )
        return value


class Amount(click.FloatRange):
    """A number within a range that is one: `nan` and `inf` are none."""

    def convert(
        self, value: float, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the number."""
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value!r}: expected a finite number", param, ctx)
        return number


class InputSize(click.ParamType):  # type: ignore[type-arg]
    """A network input as HxW, or one number for a square."""

    name = "HxW"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """Parse `512x512` or `512`."""
        match = re.fullmatch(r"(\d+)(?:x(\d+))?", value)
        if match is None:
            self.fail(f"{value!r}: expected HxW in pixels, as in 512x512", param, ctx)
        return int(match[1]), int(match[2] or match[1])


class WeightsFile(click.ParamType):  # type: ignore[type-arg]
    """A weights file, the name of published weights, or an address of the hub.

    Whatever is no file yet is fetched into the cache.
    """

    name = "FILE|NAME|hf://OWNER/REPO"

    def convert(
        self, value: str | Path, param: click.Parameter | None, ctx: click.Context | None
    ) -> Path:
        """Return the file."""
        if isinstance(value, Path):
            return value
        if not value.startswith("hf://") and (value not in ZOO or Path(value).exists()):
            if not Path(value).exists():
                message = (
                    f"{value} is neither a weights file nor a name of `topformer weights list`"
                    f"{did_you_mean(value, ZOO)}"
                )
                raise UsageError(message)
            return Path(EXISTING_FILE.convert(_of_run(Path(value)), param, ctx))
        from topformer_cli.api.places import Places
        from topformer_cli.api.weights import find_weights
        from topformer_cli.commands.fetch_view import following

        # --cache-dir is eager: it was read before this, wherever it stands.
        cache = ctx.params.get("cache_dir") if ctx else None
        places = Places(cache=cache if isinstance(cache, Path) else None)
        with following(value) as view:
            return find_weights(value, places, view)


def _of_run(path: Path) -> Path:
    """Return the weights that a run's folder stands for, the best ones if there are such."""
    from topformer_cli.rundir import RunDir

    run = RunDir(path)
    found = (one for which in ("best", "last") if (one := run.weights(which)).is_file())
    return next(found, path)


def _verbosity(ctx: click.Context, param: click.Parameter, value: bool) -> None:  # noqa: ARG001
    if value:
        from topformer_cli import console

        console.set_verbosity(1 if param.name == "verbose" else -1)


def verbosity_options(function: Command) -> Command:
    """Add -v and -q."""
    for flags, text in (
        (("-v", "--verbose"), "More detail; tracebacks."),
        (("-q", "--quiet"), "No progress."),
    ):
        function = click.option(
            *flags, is_flag=True, is_eager=True, expose_value=False, callback=_verbosity, help=text
        )(function)
    return function


size_option = click.option("--size", type=click.Choice(list(SIZES)), help="Model size.")
overrides_option = click.option(
    "-o",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Override a recipe value; repeatable.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Write the result as JSON.")
device_option = click.option(
    "--device", type=TorchDevice(), default="auto", show_default=True, help="Torch device."
)
cache_option = click.option(
    "--cache-dir",
    type=ANY_PATH,
    is_eager=True,
    help="Where prepared data lies (default: TOPFORMER_HOME or XDG).",
)
work_dir_option = click.option(
    "--work-dir", type=ANY_PATH, default=Path("runs"), show_default=True, help="Where runs lie."
)
weights_option = click.option(
    "--weights",
    type=WeightsFile(),
    help="Weights in place of a run: a file, anybody's, or a name of `topformer weights list`.",
)
partial_weights_option = click.option(
    "--partial-weights", is_flag=True, help="Accept --weights that do not match the whole network."
)


def model_options(function: Command) -> Command:
    """Add the options that name a model in place of a run."""
    for option in (partial_weights_option, weights_option, size_option):
        function = option(function)
    return function


def as_one(
    function: Command, name: str, record: type[Any], chosen: Sequence[Callable[[Any], Any]]
) -> Command:
    """Add options that the command gets together, as one argument: a dataclass with their names."""
    names = [field.name for field in fields(record)]

    @functools.wraps(function)
    def gathered(**values: Any) -> Any:  # noqa: ANN401 - click hands over whatever was parsed
        given = {key: values.pop(key) for key in names if key in values}
        return function(**{name: record(**given)}, **values)

    command: Any = gathered
    for option in reversed(chosen):
        command = option(command)
    return command  # type: ignore[no-any-return]
