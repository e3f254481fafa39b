"""The files of a prepared set, which the `datasets` library loads with `load_from_disk`.

    card.json                       written last
    dataset_dict.json               {"splits": ["train", "val"]}
    train/dataset_info.json         columns and the library's type of each
    train/state.json                the list of data files
    train/data-00000-<key>.arrow    Arrow stream: id, image, mask, height, width
    train/data-00000-<key>.json     what a resumed prepare and the card need to know of the shard

A shard's key is a hash of its input files' names, sizes and times and of the label map, so a
finished shard is used again exactly when its inputs are unchanged.
"""

import contextlib
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from topformer_cli.data.convert import Row
from topformer_cli.rundir import atomic_path, write_json

SCHEMA_VERSION: Final = 1
SHARD_ROWS: Final = 128
SHARD_BYTES: Final = 64 << 20
_ENCODED: Final = pa.struct({"bytes": pa.binary(), "path": pa.string()})
"""How `datasets` stores its Image column: the encoded file and its name."""


@dataclass(frozen=True, slots=True)
class ShardFacts:
    """What the card needs of a shard.

    digest: SHA-256 of ids and contents. values: pixels of each of the 256 mask values.
    """

    file: str
    rows: int
    digest: str
    heights: tuple[int, ...]
    widths: tuple[int, ...]
    values: tuple[int, ...]


def shard_name(number: int, file_keys: Sequence[str], labels_key: str) -> str:
    """Return the file name of a shard, which changes with anything it is made from."""
    text = "\1".join((str(SCHEMA_VERSION), labels_key, *file_keys))
    return f"data-{number:05d}-{hashlib.sha256(text.encode()).hexdigest()[:16]}.arrow"


def write_shard(path: Path, rows: Sequence[Row]) -> ShardFacts:
    """Write a shard and then its facts, each atomically; without facts there is no shard."""
    table = pa.table(
        {
            "id": pa.array([row.id for row in rows], pa.string()),
            "image": pa.array([{"bytes": r.image, "path": r.image_name} for r in rows], _ENCODED),
            "mask": pa.array([{"bytes": r.mask, "path": f"{r.id}.png"} for r in rows], _ENCODED),
            "height": pa.array([row.height for row in rows], pa.int32()),
            "width": pa.array([row.width for row in rows], pa.int32()),
        }
    ).cast(_features().arrow_schema)
    facts = ShardFacts(
        file=path.name,
        rows=len(rows),
        digest=_digest(rows),
        heights=tuple(row.height for row in rows),
        widths=tuple(row.width for row in rows),
        values=tuple(int(v) for v in np.sum([row.values for row in rows], axis=0)),
    )
    with (
        atomic_path(path) as temporary,
        pa.OSFile(str(temporary), "wb") as sink,
        pa.ipc.new_stream(sink, table.schema) as writer,
    ):
        writer.write_table(table)
    write_json(path.with_suffix(".json"), asdict(facts))
    return facts


def read_facts(path: Path) -> ShardFacts | None:
    """Return the facts of a finished shard, None if it is not there or not finished."""
    with contextlib.suppress(FileNotFoundError, ValueError, TypeError):
        record: dict[str, Any] = json.loads(path.with_suffix(".json").read_text())
        if path.is_file():
            fields: Any = {k: tuple(v) if isinstance(v, list) else v for k, v in record.items()}
            return ShardFacts(**fields)
    return None


def write_split(folder: Path, split: str, shards: Sequence[ShardFacts]) -> None:
    """Write what `datasets` needs beside the shards of a split, and remove what belongs to none."""
    import datasets

    wanted = {shard.file for shard in shards}
    for path in folder.iterdir():
        if path.with_suffix(".arrow").name not in wanted:
            path.unlink()
    datasets.DatasetInfo(features=_features()).write_to_directory(str(folder))
    state: dict[str, Any] = {
        "_data_files": [{"filename": shard.file} for shard in shards],
        "_fingerprint": hashlib.sha256("".join(s.digest for s in shards).encode()).hexdigest()[:16],
        "_format_columns": None,
        "_format_kwargs": {},
        "_format_type": None,
        "_output_all_columns": False,
        "_split": split,
    }
    write_json(folder / "state.json", state)


def write_dict(folder: Path, splits: Sequence[str]) -> None:
    """Write the list of splits by which `datasets` knows a DatasetDict."""
    write_json(folder / "dataset_dict.json", {"splits": list(splits)})


def data_files(folder: Path) -> list[Path]:
    """Return the shards of a split in order."""
    state = json.loads((folder / "state.json").read_text())
    return [folder / entry["filename"] for entry in state["_data_files"]]


def read_table(path: Path) -> pa.Table:
    """Map a shard into memory; its columns are views of the file."""
    return pa.ipc.open_stream(pa.memory_map(str(path))).read_all()


def _features() -> Any:  # noqa: ANN401 - `datasets` has no types
    # Imported here: it takes a second, and reading a prepared set does without it.
    import datasets

    return datasets.Features(
        {
            "id": datasets.Value("string"),
            "image": datasets.Image(),
            "mask": datasets.Image(),
            "height": datasets.Value("int32"),
            "width": datasets.Value("int32"),
        }
    )


def _digest(rows: Sequence[Row]) -> str:
    total = hashlib.sha256()
    for row in rows:
        for part in (row.id.encode(), row.image, row.mask):
            total.update(len(part).to_bytes(8, "little"))
            total.update(part)
    return total.hexdigest()
