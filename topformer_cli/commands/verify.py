"""`topformer verify`: do an export's files compute the same, here and in the real TNN?"""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from topformer_cli.commands import options

if TYPE_CHECKING:
    from topformer_cli.models.spec import SizeName


@click.command("verify")
@click.argument("target", required=False, type=options.ANY_PATH)
@options.model_options
@click.option(
    "--images",
    type=options.EXISTING_PATH,
    help="A picture, or a folder of them (default: of the prepared set).",
)
@click.option("--fp16", is_flag=True, help="Simulate half precision: overflow and error by layer.")
@click.option("--device", "-s", metavar="SERIAL", help="Run the TNN files on this phone, too.")
@click.option(
    "--runner",
    type=options.EXISTING_FILE,
    help="topformer-runner or TNNTest: for the phone, or without --device for this machine.",
)
@click.option(
    "--runner-device",
    type=click.Choice(["ARM", "X86", "NAIVE"]),
    help="TNN's device (default: that of the runner's processor).",
)
@click.option("--emulator", metavar="PROGRAM", help="Starts the runner, as qemu-aarch64-static.")
@options.work_dir_option
@options.cache_option
@options.json_option
@options.verbosity_options
def command(  # noqa: PLR0913 - one parameter an option
    target: Path | None,
    size: "SizeName | None",
    weights: Path | None,
    partial_weights: bool,
    images: Path | None,
    fp16: bool,
    device: str | None,
    runner: Path | None,
    runner_device: str | None,
    emulator: str | None,
    work_dir: Path,
    cache_dir: Path | None,
    as_json: bool,
) -> None:
    """Verify TARGET: an export, a run or a checkpoint (default: the latest run's export)."""
    from topformer_cli import console
    from topformer_cli.api.models import ModelSource
    from topformer_cli.api.places import Places
    from topformer_cli.api.verifying import VerifyChoices, verify
    from topformer_cli.commands import show
    from topformer_cli.commands.artifacts import find_artifact
    from topformer_cli.models.spec import EXPORTED

    choices = VerifyChoices(
        images=images,
        against=weights,
        half=fp16,
        device=device,
        runner=runner,
        runner_device=runner_device,
        emulator=emulator,
    )
    places = Places(work_dir, cache_dir)
    source = ModelSource(target, weights, size, partial_weights, places, EXPORTED)
    verification = verify(find_artifact(target, source), choices, places)
    if as_json:
        console.result_json(verification.to_json())
    else:
        show.verification(verification)
    verification.require()
