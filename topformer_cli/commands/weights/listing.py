"""`topformer weights list`."""

from dataclasses import asdict
from pathlib import Path

import click

from topformer_cli.commands import options
from topformer_cli.models.zoo import ZOO, PublishedWeights


@click.command("list")
@options.cache_option
@options.json_option
@options.verbosity_options
def command(cache_dir: Path | None, as_json: bool) -> None:
    """List the published weights, their publishers' scores, and which of them are kept here."""
    from topformer_cli import console
    from topformer_cli.api import weights
    from topformer_cli.api.places import Places

    kept = weights.kept_weights(Places(cache=cache_dir))
    if as_json:
        records = [
            {**asdict(one), "kept": str(kept[name]) if name in kept else None}
            for name, one in ZOO.items()
        ]
        console.result_json({"weights": records})
        return
    rows = [_row(one, kept=one.name in kept) for one in ZOO.values()]
    columns = ("name", "set", "input", "score", "got by", "kept")
    console.table("published weights", columns, rows, left=(0, 1, 4, 5))
    console.note(
        "scores are the publishers' own; PaddleSeg's are a retraining, but for PP-MobileSeg, which "
        "is its own. The authors' files are on drives: download one from its page (--json has it), "
        "then topformer weights fetch NAME --from FILE"
    )


def _row(one: PublishedWeights, *, kept: bool) -> tuple[str, ...]:
    got = "fetch" if one.url else "--from FILE"
    side = f"{one.side}x{one.side}"
    return one.name, one.dataset, side, one.figure, got, "yes" if kept else "no"
