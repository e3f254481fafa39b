"""The files of a prepared set, which the `datasets` library loads with `load_from_disk`.

    card.json                       written last
    dataset_dict.json               {"splits": ["train", "val"]}
    train/dataset_info.json         columns and the library's type of each
    train/state.json                the list of data files; rows, bytes and digest of each
    train/data-00000-<key>.arrow    Arrow stream: id, image, height, width, labels
    train/data-00000-<key>.json     what a resumed prepare and the card need to know of the shard

A shard's key is a hash of its input files' names, sizes and times and of the label map, so a
finished shard is used again exactly when its inputs are unchanged.
"""

import contextlib
import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from topformer_cli.data.forms.row import Row
from topformer_cli.rundir import atomic_path, write_json

SCHEMA_VERSION: Final = 3
SHARD_ROWS: Final = 128
SHARD_BYTES: Final = 64 << 20

STATE_NAME: Final = "state.json"
_SHARD: Final = re.compile(r"data-\d{5,}-[0-9a-f]{16}\.arrow")

Features = dict[str, Any]
"""Column names with types of the `datasets` library, which has no types itself."""


@dataclass(frozen=True, slots=True)
class ShardFacts:
    """What the card needs of a shard.

    bytes: length of the file. digest: SHA-256 of ids and contents. counts, images, ignored: sums
    of the rows' (see forms/row.py). labelled, heights, widths: of each row.
    """

    file: str
    rows: int
    bytes: int
    digest: str
    heights: tuple[int, ...]
    widths: tuple[int, ...]
    counts: tuple[int, ...]
    images: tuple[int, ...]
    labelled: tuple[int, ...]
    ignored: int


@dataclass(frozen=True, slots=True)
class Listed:
    """A shard as the list of its split has it: file name, images, length, SHA-256 of contents."""

    file: str
    rows: int
    bytes: int
    digest: str


def shard_name(number: int, file_keys: Sequence[str], labels_key: str) -> str:
    """Return the file name of a shard, which changes with anything it is made from."""
    text = "\1".join((str(SCHEMA_VERSION), labels_key, *file_keys))
    return f"data-{number:05d}-{hashlib.sha256(text.encode()).hexdigest()[:16]}.arrow"


def write_shard(path: Path, rows: Sequence[Row], schema: pa.Schema) -> ShardFacts:
    """Write a shard and then its facts, each atomically; without facts there is no shard."""
    common = [_common_columns(row) for row in rows]
    records = [own | row.columns for own, row in zip(common, rows, strict=True)]
    table = pa.Table.from_pylist(records, schema=schema)
    with (
        atomic_path(path) as temporary,
        pa.OSFile(str(temporary), "wb") as sink,
        pa.ipc.new_stream(sink, table.schema) as writer,
    ):
        writer.write_table(table)
    counts = np.array([row.counts for row in rows])
    facts = ShardFacts(
        file=path.name,
        rows=len(rows),
        bytes=path.stat().st_size,
        digest=content_digest((row.id, row.picture.data, row.signature) for row in rows),
        heights=tuple(row.picture.height for row in rows),
        widths=tuple(row.picture.width for row in rows),
        counts=tuple(int(count) for count in counts.sum(axis=0)),
        images=tuple(int(count) for count in (counts > 0).sum(axis=0)),
        labelled=tuple(row.labelled for row in rows),
        ignored=sum(row.ignored for row in rows),
    )
    write_json(path.with_suffix(".json"), asdict(facts))
    return facts


def content_digest(rows: Iterable[tuple[str, bytes, bytes]]) -> str:
    """Return the SHA-256 of rows' ids, image files and signatures (see forms/row.py)."""
    total = hashlib.sha256()
    for row_id, image, signature in rows:
        for part in (row_id.encode(), image, signature):
            total.update(len(part).to_bytes(8, "little"))
            total.update(part)
    return total.hexdigest()


def read_facts(path: Path) -> ShardFacts | None:
    """Return the facts of a finished shard, None if it is not there or not finished."""
    with contextlib.suppress(FileNotFoundError, ValueError, TypeError):
        record: dict[str, Any] = json.loads(path.with_suffix(".json").read_text())
        if path.is_file():
            fields: Any = {k: tuple(v) if isinstance(v, list) else v for k, v in record.items()}
            return ShardFacts(**fields)
    return None


def write_split(folder: Path, shards: Sequence[ShardFacts], features: Features) -> None:
    """Write what `datasets` needs beside the shards of a split, and remove what belongs to none."""
    import datasets

    wanted = {shard.file for shard in shards}
    for path in folder.iterdir():
        if path.with_suffix(".arrow").name not in wanted:
            path.unlink()
    info = datasets.DatasetInfo(features=datasets.Features(features))
    info.write_to_directory(str(folder))
    state: dict[str, Any] = {
        "_data_files": [
            {"filename": one.file, "rows": one.rows, "bytes": one.bytes, "digest": one.digest}
            for one in shards
        ],
        "_fingerprint": hashlib.sha256("".join(s.digest for s in shards).encode()).hexdigest()[:16],
        "_format_columns": None,
        "_format_kwargs": {},
        "_format_type": None,
        "_output_all_columns": False,
        "_split": folder.name,
    }
    write_json(folder / STATE_NAME, state)


def write_dict(folder: Path, splits: Sequence[str]) -> None:
    """Write the list of splits by which `datasets` knows a DatasetDict."""
    write_json(folder / "dataset_dict.json", {"splits": list(splits)})


def data_files(folder: Path) -> list[Path]:
    """Return the shards of a split in order.

    Raises:
        OSError, ValueError: the list is missing or damaged.
    """
    return [folder / one.file for one in parse_list((folder / STATE_NAME).read_bytes())]


def parse_list(text: bytes) -> tuple[Listed, ...]:
    """Read the list of a split's shards; no name in it leads out of its folder.

    Raises:
        ValueError: it is damaged, or was written by another version.
    """
    try:
        listed = tuple(
            Listed(entry["filename"], entry["rows"], entry["bytes"], entry["digest"])
            for entry in json.loads(text)["_data_files"]
        )
    except (KeyError, TypeError) as error:
        message = f"the list of shards lacks {error}"
        raise ValueError(message) from error
    for one in listed:
        if not _SHARD.fullmatch(str(one.file)) or not _counts(one.rows, one.bytes):
            message = f"the list of shards has {one.file!r} of {one.rows!r} images"
            raise ValueError(message)
    return listed


def read_table(path: Path) -> pa.Table:
    """Map a shard into memory; its columns are views of the file."""
    with pa.memory_map(str(path)) as file:
        return pa.ipc.open_stream(file).read_all()


def arrow_schema(features: Features) -> pa.Schema:
    """Return the columns as Arrow has them, with the types of `datasets` in the metadata."""
    import datasets

    return datasets.Features(features).arrow_schema


def common_features() -> Features:
    """Return the columns that every form has."""
    # Imported here: it takes a second, and reading a prepared set does without it.
    from datasets import Image, Value

    return {
        "id": Value("string"),
        "image": Image(),
        "height": Value("int32"),
        "width": Value("int32"),
    }


def _common_columns(row: Row) -> dict[str, Any]:
    picture = row.picture
    image = {"bytes": picture.data, "path": picture.name}
    return {"id": row.id, "image": image, "height": picture.height, "width": picture.width}


def _counts(*values: object) -> bool:
    return all(isinstance(value, int) and value >= 0 for value in values)
