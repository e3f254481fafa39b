"""`topformer data show`."""

from pathlib import Path

import click

from topformer_cli.commands import options


@click.command("show")
@click.argument("name")
@click.option("--split", default="train", show_default=True, help="The split to show.")
@click.option(
    "--count", type=click.IntRange(1, 64), default=6, show_default=True, help="How many images."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Which images by chance.")
@click.option("--ids", help="Particular images: a,b,c.")
@click.option("--class", "class_name", help="Images in which this class occurs.")
@click.option("--columns", type=click.IntRange(1, 16), help="How many images beside each other.")
@click.option(
    "--output", "-o", type=options.ANY_PATH, help="PNG to write (default: NAME-SPLIT.png)."
)
@options.cache_option
@options.verbosity_options
def command(  # noqa: PLR0913 - one parameter an option
    name: str,
    split: str,
    count: int,
    seed: int,
    ids: str | None,
    class_name: str | None,
    columns: int | None,
    output: Path | None,
    cache_dir: Path | None,
) -> None:
    """Draw images of NAME, a set or its folder, with their labels as one PNG; print its path."""
    from topformer_cli import console
    from topformer_cli.api import showing
    from topformer_cli.api.choosing import Choice
    from topformer_cli.api.places import Places

    choice = Choice(
        split=split,
        count=count,
        seed=seed,
        ids=tuple(one.strip() for one in (ids or "").split(",") if one.strip()),
        class_name=class_name,
        columns=columns,
    )
    with console.progress(f"show {name}", "images") as update:
        shown = showing.show_set(name, choice, Places(cache=cache_dir), output, update)
    if shown.stand_ins:
        names = [f"{name} as {drawn}" for drawn, name in shown.stand_ins.items()]
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        console.warn(
            f"no font here has the letters of {len(names)} class names, which are written "
            f"{', '.join(names[:5])}{more}; install one that has, such as Noto Sans CJK"
        )
    console.result(str(shown.path))
