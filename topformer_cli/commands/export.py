"""`topformer export`: ONNX, TNN and LiteRT, verified, with a manifest."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from topformer_cli.commands import options

if TYPE_CHECKING:
    from topformer_cli.api.exporting import ExportChoices
    from topformer_cli.api.models import ModelSource
    from topformer_cli.deploy.export import Exported
    from topformer_cli.models.spec import Ending, InputType, SizeName


@click.command("export")
@click.argument("target", required=False, type=options.ANY_PATH)
@options.model_options
@click.option(
    "--from",
    "from_onnx",
    type=options.EXISTING_FILE,
    help="Convert this ONNX file, whatever network it is.",
)
@click.option(
    "--format",
    "formats",
    metavar="LIST",
    help="Of onnx, tnn, tflite (default: onnx,tnn; onnx where the file ends in boxes).",
)
@click.option("--input", "input_hw", type=options.InputSize(), help="HxW (default: the model's).")
@click.option(
    "--output",
    "ending",
    type=click.Choice(["logits", "full", "labels", "raw", "boxes"]),
    help="End in logits at 1/8 as the paper's latency (default), at input size, or in a label map; "
    "a detector in its head's maps (default), or in boxes.",
)
@click.option(
    "--input-type",
    type=click.Choice(["float32", "uint8"]),
    default="float32",
    show_default=True,
    help="Take normalised values, or RGB bytes that the network normalises.",
)
@click.option(
    "--precision",
    type=click.Choice(["fp32", "fp16"]),
    default="fp32",
    show_default=True,
    help="How TNN's weights are stored.",
)
@click.option(
    "--rescale",
    is_flag=True,
    help="Scale what overflows half precision by powers of two; exact in fp32.",
)
@click.option("--explain", is_flag=True, help="Show what each rewrite matched and refused.")
@click.option(
    "--no-rewrite",
    "left_out",
    multiple=True,
    metavar="NAME",
    help="Leave out a rewrite on the way to TNN, or `all`; repeatable.",
)
@click.option(
    "--converter",
    type=click.Choice(["topformer", "official"]),
    default="topformer",
    show_default=True,
    help="`official` is TNN's own, built in --tnn-home.",
)
@click.option("--tnn-home", type=options.EXISTING_FOLDER, help="A checkout of TNN, built.")
@click.option("--images", type=options.EXISTING_PATH, help="Verify on these pictures.")
@click.option(
    "--bundle",
    type=options.ANY_PATH,
    help="Also write a folder to build an app from (segmentation).",
)
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
    from_onnx: Path | None,
    formats: str | None,
    input_hw: tuple[int, int] | None,
    ending: "Ending | None",
    input_type: "InputType",
    precision: Literal["fp32", "fp16"],
    rescale: bool,
    explain: bool,
    left_out: tuple[str, ...],
    converter: str,
    tnn_home: Path | None,
    images: Path | None,
    bundle: Path | None,
    output_dir: Path | None,
    work_dir: Path,
    cache_dir: Path | None,
    as_json: bool,
) -> None:
    """Export TARGET, a run or a checkpoint (default: the best checkpoint of the latest run)."""
    from topformer_cli.api.exporting import ExportChoices, usual_formats
    from topformer_cli.api.models import ModelSource
    from topformer_cli.api.places import Places
    from topformer_cli.commands import show
    from topformer_cli.errors import UsageError
    from topformer_cli.models.spec import EXPORTED

    if (converter == "official") != (tnn_home is not None):
        message = "--converter official and --tnn-home DIR go together"
        raise UsageError(message)
    choices = ExportChoices(
        formats=usual_formats(ending) if formats is None else _listed(formats),
        input_hw=input_hw,
        output_dir=output_dir,
        ending=ending,
        input_type=input_type,
        storage=precision,
        rescale=rescale,
        left_out=frozenset(left_out),
        tnn_home=tnn_home,
        images=images,
    )
    if from_onnx is not None:
        from topformer_cli.api.foreign import export_file

        _require_alone(from_onnx, target or weights or bundle)
        exported = export_file(from_onnx, choices)
    else:
        places = Places(work_dir, cache_dir)
        source = ModelSource(target, weights, size, partial_weights, places, EXPORTED)
        exported = _export(source, choices, bundle)
    show.exported(exported, as_json=as_json, explain=explain)
    if bundle is not None:
        show.bundled(bundle)


def _listed(formats: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in formats.split(",") if name.strip())


def _export(source: "ModelSource", choices: "ExportChoices", bundle: Path | None) -> "Exported":
    from topformer_cli import console
    from topformer_cli.api.bundling import bundle_model, check_folder
    from topformer_cli.api.exporting import export_model
    from topformer_cli.api.models import load_model
    from topformer_cli.errors import UsageError

    if bundle is not None:
        check_folder(bundle)
    model = load_model(source)
    if bundle is not None and model.spec.task != "segmentation":
        message = (
            f"--bundle {bundle}: {model.file} is a network for {model.spec.task}; apps are made of "
            "segmentation networks, leave the option out"
        )
        raise UsageError(message)
    console.note(f"exporting {model.took}")
    exported = export_model(model, choices, source.places)
    if bundle is not None:
        bundle_model(model, exported.artifact, bundle, choices.images, source.places)
    return exported


def _require_alone(file: Path, other: Path | None) -> None:
    from topformer_cli.errors import UsageError

    if other is not None:
        message = f"--from {file} and {other}: name one of them; a bundle is made of a checkpoint"
        raise UsageError(message)
