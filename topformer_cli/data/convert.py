"""Turns the items of a set into shards, many at a time; finished shards survive a kill."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from topformer_cli.data.findings import refuse_all
from topformer_cli.data.forms.table import FORMS
from topformer_cli.data.shards import (
    SHARD_BYTES,
    SHARD_ROWS,
    Features,
    ShardFacts,
    common_features,
    read_facts,
    shard_name,
    write_shard,
)
from topformer_cli.data.sources.source import Item, Reading, Source
from topformer_cli.data.spec import Task
from topformer_cli.errors import DataError


@dataclass(frozen=True, slots=True)
class Shard:
    """A shard to be written: its split, its file, and what goes into it."""

    split: str
    path: Path
    items: tuple[Item, ...]


def plan_shards(source: Source, folder: Path) -> list[Shard]:
    """Divide a set into shards, whose names change with anything that they are made from."""
    how = repr(source.reading)
    return [
        Shard(split, folder / split / shard_name(number, [i.key() for i in items], how), items)
        for split, all_items in source.splits.items()
        for number, items in enumerate(_portions(all_items))
    ]


def write_shards(
    shards: Sequence[Shard], reading: Reading, progress: Callable[[int, int], None]
) -> dict[str, list[ShardFacts]]:
    """Write the shards that are not there yet and return the facts of all, by split.

    Threads, not processes: reading and decoding happen outside the interpreter's lock, and a
    killed prepare leaves no children behind.

    Raises:
        DataError: items are wrong; each is named.
    """
    total = sum(len(shard.items) for shard in shards)
    problems: list[str] = []
    facts: dict[Path, ShardFacts] = {}
    done = 0
    for path in {shard.path.parent for shard in shards}:
        path.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        jobs = {pool.submit(_write, shard, reading): shard for shard in shards}
        try:
            for job in as_completed(jobs):
                result = job.result()
                if isinstance(result, ShardFacts):
                    facts[jobs[job].path] = result
                else:
                    problems += result
                done += len(jobs[job].items)
                progress(done, total)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    refuse_all(sorted(problems))
    by_split: dict[str, list[ShardFacts]] = {shard.split: [] for shard in shards}
    for shard in shards:
        by_split[shard.split].append(facts[shard.path])
    return by_split


def set_features(task: Task, classes: tuple[str, ...]) -> Features:
    """Return all columns of a set."""
    return {**common_features(), **FORMS[task].features(classes)}


def _portions(items: Sequence[Item]) -> Iterator[tuple[Item, ...]]:
    """Divide items into shards that fit into memory several at a time."""
    portion: list[Item] = []
    size = 0
    for item in items:
        portion.append(item)
        size += item.length()
        if len(portion) == SHARD_ROWS or size >= SHARD_BYTES:
            yield tuple(portion)
            portion, size = [], 0
    if portion:
        yield tuple(portion)


def _write(shard: Shard, reading: Reading) -> ShardFacts | list[str]:
    """Return the facts of a shard, or what is wrong with its items."""
    if facts := read_facts(shard.path):
        return facts
    form = FORMS[reading.task]
    rows = []
    problems: list[str] = []
    for item in shard.items:
        try:
            rows.append(form.read_row(item, reading))
        except DataError as error:
            problems.append(str(error))
    if problems:
        return problems
    return write_shard(shard.path, rows, set_features(reading.task, reading.labels.classes))
