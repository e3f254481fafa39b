"""A fetch in a process of its own: `python -m tests.fakes.fetching JSON`.

Prints {error, downloads, raw} as JSON: the one line it ended with, or null, and what lies there.
"""

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

from topformer_cli.data.datasets import ade20k
from topformer_cli.data.fetch.request import FetchRequest, Patience
from topformer_cli.data.fetch.steps import fetch
from topformer_cli.data.spec import Archive
from topformer_cli.errors import DataError


def request_from(record: dict[str, Any]) -> FetchRequest:
    """Return the request that a plain record describes."""
    archives = tuple(Archive(**one) for one in record["archives"])
    return FetchRequest(
        spec=dataclasses.replace(ade20k.SPEC, archives=archives, counts=record["counts"]),
        cache_dir=Path(record["cache_dir"]),
        accept_terms=True,
        prepare=record["prepare"],
        patience=Patience(pause_s=0.01, longest_s=0.05),
    )


def record_of(request: FetchRequest) -> str:
    """Return the JSON that `request_from` takes."""
    return json.dumps(
        {
            "archives": [dataclasses.asdict(one) for one in request.spec.archives],
            "counts": dict(request.spec.counts),
            "cache_dir": str(request.cache_dir),
            "prepare": request.prepare,
        }
    )


def sizes(folder: Path) -> dict[str, int]:
    """Return the files below a folder that are not hidden."""
    return {
        path.relative_to(folder).as_posix(): path.stat().st_size
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }


def main(text: str) -> None:
    """Fetch and tell."""
    request = request_from(json.loads(text))
    error = None
    try:
        fetch(request)
    except DataError as caught:
        error = str(caught)
    found = {name: sizes(request.cache_dir / name) for name in ("downloads", "raw")}
    sys.stdout.write(json.dumps({"error": error, **found}))


if __name__ == "__main__":
    main(sys.argv[1])
