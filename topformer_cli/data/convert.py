"""Turns the items of a set into shards, many at a time; finished shards survive a kill."""

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa

from topformer_cli.data.fetch.disk import require_space
from topformer_cli.data.findings import refuse_all
from topformer_cli.data.forms.table import FORMS
from topformer_cli.data.shards import (
    SHARD_BYTES,
    SHARD_ROWS,
    Features,
    ShardFacts,
    arrow_schema,
    common_features,
    read_facts,
    shard_name,
    write_shard,
)
from topformer_cli.data.sources.source import Item, Reading, Source
from topformer_cli.data.spec import Task
from topformer_cli.data.workers import cores, run_jobs, warm_up
from topformer_cli.errors import DataError

BYTES_A_WORKER: Final = 32 << 20
"""How much each process should have to do, for its start takes about a second."""

MOST_WORKERS: Final = 16
"""Unless more are asked for: beyond, the disk is what everybody waits for."""


@dataclass(frozen=True, slots=True)
class Shard:
    """A shard to be written: its split, its file, what goes into it, and bytes of that."""

    split: str
    path: Path
    items: tuple[Item, ...]
    bytes: int


@dataclass(frozen=True, slots=True)
class Writing:
    """How shards are written: workers is how many at a time, None for what fits the work.

    progress is called with images done and images in all.
    """

    reading: Reading
    progress: Callable[[int, int], None]
    workers: int | None = None


def plan_shards(source: Source, folder: Path) -> list[Shard]:
    """Divide a set into shards, whose names change with anything that they are made from.

    Raises:
        DataError: a file is not there any more.
    """
    how = repr(source.reading)
    shards = []
    for split, all_items in source.splits.items():
        for number, (items, size) in enumerate(_portions(all_items)):
            name = shard_name(number, [item.key() for item in items], how)
            shards.append(Shard(split, folder / split / name, items, size))
    return shards


def write_shards(shards: Sequence[Shard], writing: Writing) -> dict[str, list[ShardFacts]]:
    """Write the shards that are not there yet and return the facts of all, by split.

    Raises:
        DataError: items are wrong, and each is named; or the disk has no room for the rest.
    """
    facts = {shard.path: found for shard in shards if (found := read_facts(shard.path))}
    missing = [shard for shard in shards if shard.path not in facts]
    total = sum(len(shard.items) for shard in shards)
    done = total - sum(len(shard.items) for shard in missing)
    problems: list[str] = []
    for shard, result in _written(missing, writing):
        if isinstance(result, ShardFacts):
            facts[shard.path] = result
        else:
            problems += result
        done += len(shard.items)
        writing.progress(done, total)
    refuse_all(sorted(problems))
    by_split: dict[str, list[ShardFacts]] = {shard.split: [] for shard in shards}
    for shard in shards:
        by_split[shard.split].append(facts[shard.path])
    return by_split


def set_features(task: Task, classes: tuple[str, ...]) -> Features:
    """Return all columns of a set."""
    return {**common_features(), **FORMS[task].features(classes)}


def worker_count(shards: Sequence[Shard], asked: int | None) -> int:
    """Return how many processes are worth their start, at most one a shard."""
    if asked is None:
        worth = sum(shard.bytes for shard in shards) // BYTES_A_WORKER
        asked = min(cores(), MOST_WORKERS, worth)
    return max(1, min(asked, len(shards)))


def _written(
    shards: Sequence[Shard], writing: Writing
) -> Iterator[tuple[Shard, ShardFacts | list[str]]]:
    """Write shards and yield the facts of each, or what is wrong with its items."""
    if not shards:
        return
    require_space(shards[0].path.parents[1], sum(one.bytes for one in shards), "what is prepared")
    for folder in {shard.path.parent for shard in shards}:
        folder.mkdir(parents=True, exist_ok=True)
    reading = writing.reading
    workers = worker_count(shards, writing.workers)
    if workers > 1:
        warm_up(_write)
    schema = arrow_schema(set_features(reading.task, reading.labels.classes))
    write = functools.partial(_write, reading=reading, schema=schema)
    jobs = run_jobs(write, shards, workers)
    with contextlib.closing(jobs):
        yield from jobs


def _portions(items: Sequence[Item]) -> Iterator[tuple[tuple[Item, ...], int]]:
    """Divide items into shards that fit into memory several at a time, and measure each."""
    portion: list[Item] = []
    size = 0
    for item in items:
        portion.append(item)
        size += item.length()
        if len(portion) == SHARD_ROWS or size >= SHARD_BYTES:
            yield tuple(portion), size
            portion, size = [], 0
    if portion:
        yield tuple(portion), size


def _write(shard: Shard, reading: Reading, schema: pa.Schema) -> ShardFacts | list[str]:
    """Return the facts of a shard, or what is wrong with its items."""
    form = FORMS[reading.task]
    rows = []
    problems: list[str] = []
    for item in shard.items:
        try:
            rows.append(form.read_row(item, reading))
        except DataError as error:
            problems.append(str(error))
    return problems or write_shard(shard.path, rows, schema)
