"""`topformer data check`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from topformer_cli.commands import options

if TYPE_CHECKING:
    from topformer_cli.api.checking import Checked


@click.command("check")
@click.argument("name", required=False)
@click.option("--source", type=options.EXISTING_FOLDER, help="Folder that holds the published set.")
@click.option(
    "--images",
    type=options.EXISTING_FOLDER,
    help="Own set: images, or train/ and val/. Alone: a folder a class.",
)
@click.option("--masks", type=options.EXISTING_FOLDER, help="Own set: masks, 8-bit ids or colours.")
@click.option("--classes", help="Own set: a,b,c or a file of name[,r,g,b] lines.")
@click.option(
    "--ignore", type=click.IntRange(0, 255), multiple=True, help="Mask id to ignore; repeatable."
)
@click.option("--coco", type=options.EXISTING_FILE, help="Own set of boxes: COCO-style JSON.")
@click.option("--coco-val", type=options.EXISTING_FILE, help="The JSON of its validation part.")
@click.option("--allow-partial", is_flag=True, help="Accept fewer images than were published.")
@click.option(
    "--fix", is_flag=True, help="Mend files of an own set where that is safe; originals are kept."
)
@options.cache_option
@options.json_option
@options.verbosity_options
def command(  # noqa: PLR0913 - one parameter an option
    name: str | None,
    source: Path | None,
    images: Path | None,
    masks: Path | None,
    classes: str | None,
    ignore: tuple[int, ...],
    coco: Path | None,
    coco_val: Path | None,
    allow_partial: bool,
    fix: bool,
    cache_dir: Path | None,
    as_json: bool,
) -> None:
    """Look for what is wrong in the prepared set NAME, or in a set on disk before `prepare`.

    Ends with exit code 3 when something is wrong; what is only odd is noted.
    """
    from topformer_cli import console
    from topformer_cli.api import checking
    from topformer_cli.api.places import Places

    request = checking.CheckRequest(
        name=name,
        source=source,
        images=images,
        masks=masks,
        classes=classes,
        ignore=ignore,
        coco=coco,
        coco_val=coco_val,
        allow_partial=allow_partial,
        fix=fix,
        places=Places(cache=cache_dir),
    )
    with console.progress(f"check {name or images}", "images") as update:
        checked = checking.check_set(
            request, lambda what, done, total: update(done, total, "" if what == "check" else what)
        )
    if as_json:
        console.result_json(checked.to_json())
    else:
        _show(checked, fix=fix)
    if checked.report.wrong:
        raise click.exceptions.Exit(3)


def _show(checked: "Checked", *, fix: bool) -> None:
    from topformer_cli import console

    report = checked.report
    fixed = {one.check.kind: str(checked.fixes(one.check.kind) or "") for one in report.lines}
    columns = ("check", "state", "count", *(("fixed",) if fix else ()), "example", "remedy")
    rows = [
        (
            line.check.title,
            line.state,
            str(line.count or ""),
            *((fixed[line.check.kind],) if fix else ()),
            line.example,
            line.remedy,
        )
        for line in report.lines
    ]
    left = (0, 1, len(columns) - 2, len(columns) - 1)
    console.table(f"check of {report.name}", columns, rows, left)
    console.result(checked.summary())
    for one in checked.fixed:
        console.detail(f"fixed {one.file}: {one.what}; the original is {one.original}")
    for other in checked.left:
        console.note(f"left: {other.why}")
    if checked.offer:
        offer = ", ".join(checked.offer)
        console.note(f"--fix mends, where only one way is right, and keeps originals: {offer}")
