"""`topformer segment`: what the network sees in pictures and videos."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from topformer_cli.commands import options

if TYPE_CHECKING:
    from topformer_cli.models.spec import SizeName


@click.command("segment")
@click.argument("files", nargs=-1, required=True, type=options.ANY_PATH)
@click.option(
    "-o",
    "--output",
    type=options.ANY_PATH,
    help="A PNG or MP4, a folder for several files, or - for stdout.",
)
@click.option(
    "--model", type=options.ANY_PATH, help="A run or checkpoint (default: the latest run)."
)
@options.model_options
@click.option(
    "--labels", is_flag=True, help="Write the label map (palette PNG) instead of an overlay."
)
@click.option(
    "--window",
    type=click.IntRange(min=1),
    metavar="N",
    help="See pictures as large as they are, through windows of NxN: details of large photos.",
)
@click.option(
    "--stride",
    type=click.IntRange(min=1),
    metavar="N",
    help="How far windows lie apart (default: two thirds of their side).",
)
@options.device_option
@options.work_dir_option
@options.json_option
@options.verbosity_options
def command(  # noqa: PLR0913 - one parameter an option
    files: tuple[Path, ...],
    output: Path | None,
    model: Path | None,
    size: "SizeName | None",
    weights: Path | None,
    partial_weights: bool,
    labels: bool,
    window: int | None,
    stride: int | None,
    device: str,
    work_dir: Path,
    as_json: bool,
) -> None:
    """Segment FILES: images, videos, folders, 'patterns*.jpg', or - for stdin.

    Draws an overlay with a legend for each.
    """
    from topformer_cli.api import pictures
    from topformer_cli.data.looks import Looks, window_and_stride

    # Before torch is imported: a mistyped name is told at once.
    side, step = window_and_stride(window, stride)
    sources = pictures.find_sources(files, output)
    if labels:
        pictures.require_pictures(sources)
    targets = pictures.output_names(sources, output, "labels" if labels else "overlay")

    from topformer_cli import console
    from topformer_cli.api import drawing, models, segmenting
    from topformer_cli.api.places import Places
    from topformer_cli.api.reading import STDIO

    source = models.ModelSource(
        model, weights, size, partial_weights, Places(work_dir), tasks=("segmentation",)
    )
    loaded = models.load_model(source)
    labeller = segmenting.labeller(
        loaded, device, Looks(window=side, stride=step), as_labels=labels
    )
    console.note(f"segmenting with {loaded.took}")
    with console.progress("segment", pictures.unit(sources)) as update:
        batch = drawing.draw_files(labeller, list(zip(sources, targets, strict=True)), update)
    for words in batch.warnings:
        console.warn(words)
    with console.results_beside(picture=STDIO in targets):
        if as_json:
            console.result_json(
                {
                    **segmenting.to_json(batch.drawn, loaded.spec),
                    "failed": [one.to_json() for one in batch.failed],
                    "dataset": loaded.spec.dataset,
                    "data_terms": loaded.spec.data_terms,
                }
            )
        else:
            for one in batch.drawn:
                console.result(f"{one.output}  {segmenting.summary(one, loaded.spec)}")
    batch.require_all()
