"""`topformer data show`."""

from pathlib import Path

import click

from topformer_cli.commands import options


@click.command("show")
@click.argument("name")
@click.option("--split", default="train", show_default=True)
@click.option("--count", type=click.IntRange(1, 64), default=6, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option(
    "--output", "-o", type=options.ANY_PATH, help="PNG to write (default: NAME-SPLIT.png)."
)
@options.cache_option
@options.verbosity_options
def command(
    name: str, split: str, count: int, seed: int, output: Path | None, cache_dir: Path | None
) -> None:
    """Draw some images with their labels as one picture."""
    from topformer_cli import console
    from topformer_cli.api import showing
    from topformer_cli.api.places import Places

    target = output or Path(f"{name}-{split}.png")
    showing.draw_samples(name, showing.Samples(split, count, seed), Places(cache=cache_dir), target)
    console.result(str(target))
