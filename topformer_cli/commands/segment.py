"""`topformer segment`: what the network sees in a picture."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from topformer_cli.commands import options

if TYPE_CHECKING:
    from topformer_cli.models.spec import SizeName


@click.command("segment")
@click.argument("images", nargs=-1, required=True, type=options.ANY_PATH)
@click.option(
    "-o", "--output", type=options.ANY_PATH, help="A PNG, or a folder for several images."
)
@click.option(
    "--model", type=options.ANY_PATH, help="A run or checkpoint (default: the latest run)."
)
@options.model_options
@click.option(
    "--labels", is_flag=True, help="Write the label map (palette PNG) instead of an overlay."
)
@options.device_option
@options.work_dir_option
@options.json_option
@options.verbosity_options
def command(  # noqa: PLR0913 - one parameter an option
    images: tuple[Path, ...],
    output: Path | None,
    model: Path | None,
    size: "SizeName | None",
    weights: Path | None,
    partial_weights: bool,
    labels: bool,
    device: str,
    work_dir: Path,
    as_json: bool,
) -> None:
    """Segment IMAGES (files or folders): an overlay with a legend for each."""
    from topformer_cli import console, draw
    from topformer_cli.api import models, pictures
    from topformer_cli.api.places import Places
    from topformer_cli.rundir import atomic_write

    files = pictures.find_images(images)
    targets = pictures.output_names(files, output, "labels" if labels else "overlay")
    source = models.ModelSource(
        model, weights, size, partial_weights, Places(work_dir), tasks=("segmentation",)
    )
    loaded = models.load_model(source)
    console.note(f"segmenting with {loaded.took}")
    segmenter = models.segmenter(loaded, device)
    legend = draw.Legend(loaded.spec.classes, loaded.spec.palette)
    records = []
    with console.progress("segment", "images") as update:
        for done, (path, target) in enumerate(zip(files, targets, strict=True), 1):
            image = pictures.read_image(path)
            found = segmenter(image)
            drawn = (
                draw.label_image(found, legend)
                if labels
                else draw.overlay_with_legend(image, found, legend)
            )
            atomic_write(target, draw.png(drawn))
            shares = dict(draw.class_shares(found, legend))
            records.append(_Segmented(str(path), str(target), shares))
            update(done, len(files))
    if as_json:
        terms = {"dataset": loaded.spec.dataset, "data_terms": loaded.spec.data_terms}
        console.result_json({"images": [asdict(record) for record in records], **terms})
        return
    for record in records:
        console.result(record.line())


@dataclass(frozen=True, slots=True)
class _Segmented:
    image: str
    output: str
    shares: dict[str, float]

    def line(self) -> str:
        largest = list(self.shares.items())[:5]
        return f"{self.output}  " + ", ".join(f"{name} {share:.0%}" for name, share in largest)
