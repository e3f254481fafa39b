"""`topformer detect`: the objects in pictures and videos."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from topformer_cli.commands import options

if TYPE_CHECKING:
    from topformer_cli.models.spec import SizeName

SCORE: Final = 0.3


@click.command("detect")
@click.argument("files", nargs=-1, required=True, type=options.ANY_PATH)
@click.option(
    "-o", "--output", type=options.ANY_PATH, help="A PNG or MP4, or a folder for several files."
)
@click.option(
    "--model", type=options.ANY_PATH, help="A run or checkpoint (default: the latest run)."
)
@options.model_options
@click.option(
    "--score",
    type=options.Amount(0, 1, max_open=True),
    default=SCORE,
    show_default=True,
    help="Least score of a box.",
)
@click.option(
    "--iou",
    type=options.Amount(0, 1, min_open=True),
    help="Overlap by which the weaker of two boxes of a class is dropped (default: the recipe's).",
)
@click.option(
    "--classes", multiple=True, metavar="A,B", help="Only boxes of these classes; repeatable."
)
@click.option(
    "--results",
    type=options.ANY_PATH,
    metavar="FILE.json",
    help="Write the boxes in COCO's results form, too.",
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
    score: float,
    iou: float | None,
    classes: tuple[str, ...],
    results: Path | None,
    device: str,
    work_dir: Path,
    as_json: bool,
) -> None:
    """Draw the objects in FILES: images, videos, folders, 'patterns*.jpg', or - for stdin."""
    from topformer_cli.api import pictures

    # Before torch is imported: a mistyped name is told at once.
    sources = pictures.find_sources(files, output)
    targets = pictures.output_names(sources, output, "boxes")
    if results is not None:
        pictures.require_own_file(results, [*sources, *targets])

    from topformer_cli import console
    from topformer_cli.api import detecting, drawing, models
    from topformer_cli.api.places import Places
    from topformer_cli.api.reading import STDIO

    source = models.ModelSource(
        model, weights, size, partial_weights, Places(work_dir), tasks=("detection",)
    )
    loaded = models.load_model(source)
    choice = detecting.BoxChoice(score=score, iou=iou, classes=classes)
    finder = detecting.BoxFinder(loaded, device, choice)
    console.note(f"detecting with {loaded.took}")
    with console.progress("detect", pictures.unit(sources)) as update:
        batch = drawing.draw_files(finder, list(zip(sources, targets, strict=True)), update)
    for words in batch.warnings:
        console.warn(words)
    if results is not None:
        detecting.write_coco_results(results, batch.drawn, loaded.spec)
        told = detecting.results_told(batch.drawn, loaded.spec)
        console.note(f"{results}: {told}")
    with console.results_beside(picture=STDIO in targets):
        if as_json:
            console.result_json(
                {
                    "files": [detecting.to_json(one, loaded.spec) for one in batch.drawn],
                    "failed": [one.to_json() for one in batch.failed],
                    "dataset": loaded.spec.dataset,
                    "data_terms": loaded.spec.data_terms,
                }
            )
        else:
            for one in batch.drawn:
                console.result(f"{one.output}  {detecting.summary(one, loaded.spec, score)}")
    batch.require_all()
