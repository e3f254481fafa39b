"""How `eval` looks at images, and what it measures an exported file beside: one record."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from topformer_cli.commands import options

if TYPE_CHECKING:
    from topformer_cli.api.evaluating import EvalRequest, ProtocolName
    from topformer_cli.api.evaluating_files import FileRequest
    from topformer_cli.api.evaluating_fixed import Fit
    from topformer_cli.data.looks import Looks

Command = TypeVar("Command", bound=Callable[..., Any])

MOST_SCALE: Final = 8.0


class Scales(click.ParamType):  # type: ignore[type-arg]
    """Factors of the protocol's scale, separated by commas."""

    name = "A,B,..."

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, ...]:
        """Parse `0.5,1,1.5`."""
        try:
            scales = tuple(float(one) for one in value.split(","))
        except ValueError:
            self.fail(f"{value!r}: expected factors such as 0.5,1,1.5", param, ctx)
        if not all(math.isfinite(one) and 0 < one <= MOST_SCALE for one in scales):
            self.fail(f"{value!r}: factors lie above 0 and up to {MOST_SCALE:g}", param, ctx)
        if len(set(scales)) < len(scales):
            self.fail(f"{value!r} names a factor more than once", param, ctx)
        return scales


@dataclass(frozen=True, slots=True, kw_only=True)
class Testing:
    """The options as they were given; None is one that was left out."""

    protocol: "ProtocolName | None"
    scales: tuple[float, ...] | None
    flip: bool
    window: int | None
    stride: int | None
    fit: "Fit | None"
    against: Path | None
    phone: str | None
    runner: Path | None
    images: int | None

    def slug(self) -> str:
        """Return what tells records of other ways to test from those of the usual one."""
        words = [
            self.protocol or "",
            f"scales-{'-'.join(f'{scale:g}' for scale in self.scales)}" if self.scales else "",
            "flip" if self.flip else "",
            f"window-{self.window}-{self.looks().stride}" if self.window else "",
            self.fit or "",
            "phone" if self.phone else "",
            f"{self.images}-images" if self.images else "",
        ]
        return "".join(f"-{word}" for word in words if word)

    def looks(self) -> "Looks":
        """Return how often a network looks at an image.

        Raises:
            UsageError: see `window_and_stride`.
        """
        from topformer_cli.data.looks import WHOLE, Looks, window_and_stride

        scales = self.scales or WHOLE.scales
        return Looks(scales, self.flip, *window_and_stride(self.window, self.stride))

    def of_network(self, request: "EvalRequest") -> "EvalRequest":
        """Add what concerns a checkpoint.

        Raises:
            UsageError: an option that concerns exported files was given, or see `looks`.
        """
        self._refuse(self._of_files(), "goes with an exported file, or with --phone")
        return replace(request, protocol=self.protocol, looks=self.looks())

    def of_file(self, request: "EvalRequest") -> "FileRequest":
        """Return how an exported file is measured.

        Raises:
            UsageError: an option that concerns checkpoints was given, or a runner without a phone.
        """
        from topformer_cli.api.benching import BenchChoices
        from topformer_cli.api.evaluating_files import FileRequest

        why = "has no meaning for an exported file, which has one input size"
        self._refuse(self._of_networks(), why)
        if self.phone is None:
            self._refuse(self._of_phones(), "goes with --phone SERIAL")
            phone = None
        else:
            phone = BenchChoices(
                devices=(self.phone,), engine="tnn", runner=self.runner, places=request.places
            )
        return FileRequest(request, self.fit, self.against, self.images, phone)

    def _of_networks(self) -> "Iterator[str]":
        given = {
            "--protocol": self.protocol,
            "--scales": self.scales,
            "--flip": self.flip or None,
            "--window": self.window,
            "--stride": self.stride,
        }
        return (name for name, value in given.items() if value is not None)

    def _of_files(self) -> "Iterator[str]":
        given = {"--fit": self.fit, "--against": self.against, "--images": self.images}
        yield from (name for name, value in given.items() if value is not None)
        yield from self._of_phones()

    def _of_phones(self) -> "Iterator[str]":
        if self.runner is not None:
            yield "--runner"

    @staticmethod
    def _refuse(given: "Iterator[str]", why: str) -> None:
        from topformer_cli.errors import UsageError

        for name in given:
            message = f"{name}: {why}; leave it out"
            raise UsageError(message)


_OPTIONS: Final = (
    click.option(
        "--protocol", type=click.Choice(["code", "paper"]),
        help="Test as the authors' code does or as the paper says (default: by the recipe).",
    ),
    click.option(
        "--scales", type=Scales(), metavar=Scales.name,
        help="Look at each image at several scales, such as 0.5,0.75,1,1.25,1.5,1.75.",
    ),
    click.option("--flip", is_flag=True, help="Look at mirror images, too."),
    click.option(
        "--window", type=click.IntRange(1), metavar="N",
        help="Look through windows of NxN in place of the whole image.",
    ),
    click.option(
        "--stride", type=click.IntRange(1), metavar="N",
        help="How far windows lie apart (default: two thirds of their side).",
    ),
    click.option(
        "--fit", type=click.Choice(["stretch", "letterbox"]),
        help="How images are brought to an exported file's input size (default: stretch, of a "
        "detector letterbox).",
    ),
    click.option(
        "--against", type=options.ANY_PATH,
        help="The run or checkpoint that an exported file is measured beside (default: its own).",
    ),
    click.option(
        "--phone", metavar="SERIAL", help="Let the TNN export compute on this phone, and here."
    ),
    click.option("--runner", type=options.EXISTING_FILE, help="Program for the phone."),
    click.option(
        "--images", type=click.IntRange(1), metavar="N",
        help="Of an exported file or a phone: so many images of the split.",
    ),
)  # fmt: skip


NAMES: Final = tuple(field.name for field in fields(Testing))
"""The options' names, for commands that have no use for them."""


def testing_options(function: Command) -> Command:
    """Add the options; the command gets them as one `testing`."""
    return options.as_one(function, "testing", Testing, _OPTIONS)
