"""`topformer export`: ONNX and TNN, verified, with a manifest."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from topformer_cli.commands import options

if TYPE_CHECKING:
    from topformer_cli.models.spec import SizeName


@click.command("export")
@click.argument("target", required=False, type=options.ANY_PATH)
@options.model_options
@click.option("--format", "formats", default="onnx,tnn", show_default=True, metavar="LIST")
@click.option("--input", "input_hw", type=options.InputSize(), help="HxW (default: the model's).")
@click.option("--output-dir", type=options.ANY_PATH, help="Where to (default: the run's export/).")
@options.work_dir_option
@options.cache_option
@options.json_option
@options.verbosity_options
def command(  # noqa: PLR0913 - one parameter an option
    target: Path | None,
    size: "SizeName | None",
    weights: Path | None,
    partial_weights: bool,
    formats: str,
    input_hw: tuple[int, int] | None,
    output_dir: Path | None,
    work_dir: Path,
    cache_dir: Path | None,
    as_json: bool,
) -> None:
    """Export TARGET, a run or a checkpoint (default: the best checkpoint of the latest run)."""
    from topformer_cli import console
    from topformer_cli.api.exporting import ExportChoices, export_model
    from topformer_cli.api.models import ModelSource, load_model
    from topformer_cli.api.places import Places
    from topformer_cli.commands import show

    places = Places(work_dir, cache_dir)
    source = ModelSource(target, weights, size, partial_weights, places, task="segmentation")
    model = load_model(source)
    console.note(f"exporting {model.took}")
    wanted = tuple(name.strip() for name in formats.split(",") if name.strip())
    choices = ExportChoices(formats=wanted, input_hw=input_hw, output_dir=output_dir)
    artifact = export_model(model, choices, places)
    if as_json:
        console.result_json(artifact.manifest.model_dump(mode="json"))
        return
    show.artifact(artifact)
    console.note(f"next: topformer bench {artifact.path} --device host, or --device SERIAL")
