"""Turns a set as people have it into the one prepared form, once.

<cache>/data/<name>.partial/     finished shards; a killed prepare goes on from them
<cache>/data/<name>/             the whole set: the partial folder, renamed when its card is in
<cache>/data/.<name>.lock        held while a set is prepared; the system frees a dead owner's
"""

import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import filelock

from topformer_cli.data.card import CARD_NAME, DatasetCard, read_card
from topformer_cli.data.convert import Row, read_row
from topformer_cli.data.describe import describe
from topformer_cli.data.labels import Labels
from topformer_cli.data.lint import refuse_all
from topformer_cli.data.shards import (
    SCHEMA_VERSION,
    SHARD_BYTES,
    SHARD_ROWS,
    ShardFacts,
    read_facts,
    shard_name,
    write_dict,
    write_shard,
    write_split,
)
from topformer_cli.data.sources import (
    FolderRequest,
    Pair,
    Source,
    file_key,
    folder_source,
    published_source,
)
from topformer_cli.data.spec import DatasetSpec
from topformer_cli.errors import DataError
from topformer_cli.rundir import atomic_write

Progress = Callable[[str, int, int], None]
"""Called with (what is done, images done, images in all); last with `UP_TO_DATE` or `PREPARED`."""

READING: Final = "prepare"
PREPARED: Final = "prepared"
UP_TO_DATE: Final = "already prepared"


def silent(what: str, done: int, total: int) -> None:
    """Report progress to nobody."""


def prepared_path(cache_dir: Path, name: str) -> Path:
    """Return the folder of a prepared set.

    Raises:
        DataError: the name cannot be a folder's.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name):
        message = f"data set name {name!r}: use letters, digits, - and _"
        raise DataError(message)
    return cache_dir / "data" / name


def prepare_folder(request: FolderRequest, progress: Progress = silent) -> DatasetCard:
    """Prepare a custom set.

    Raises:
        DataError: anything is wrong with the set; nothing was published.
    """
    prepared_path(request.cache_dir, request.name)
    return _prepare(folder_source(request), request.cache_dir, progress, force=request.force)


def prepare_known(
    spec: DatasetSpec,
    source_dir: Path,
    cache_dir: Path,
    progress: Progress = silent,
    *,
    force: bool = False,
) -> DatasetCard:
    """Prepare a published set found in or under source_dir.

    Fewer images than published are accepted; the card says so in its warnings and in `partial`.

    Raises:
        DataError: anything is wrong with the set; nothing was published.
    """
    return _prepare(published_source(spec, source_dir), cache_dir, progress, force=force)


@dataclass(frozen=True, slots=True)
class _Shard:
    split: str
    path: Path
    pairs: tuple[Pair, ...]


def _prepare(source: Source, cache_dir: Path, progress: Progress, *, force: bool) -> DatasetCard:
    final = prepared_path(cache_dir, source.name)
    lock = filelock.FileLock(final.parent / f".{source.name}.lock", timeout=0)
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        with lock:
            return _prepare_locked(source, final, progress, force=force)
    except filelock.Timeout as error:
        message = f"{source.name} is being prepared by another process; wait until it is done"
        raise DataError(message) from error
    except OSError as error:
        message = (
            f"{error.filename or final}: {error.strerror or error} while preparing "
            f"{source.name}; free or choose another place with --cache-dir, then run it again"
        )
        raise DataError(message) from error


def _prepare_locked(source: Source, final: Path, progress: Progress, *, force: bool) -> DatasetCard:
    partial = final.with_name(f"{final.name}.partial")
    replaced = final.with_name(f"{final.name}.replaced")
    _settle(final, replaced)
    total = sum(len(pairs) for pairs in source.splits.values())
    shards = _plan(source, partial)
    source_fingerprint = _source_fingerprint(source, shards)
    if force:
        _remove(partial)
    elif (card := _current(final)) and card.source_fingerprint == source_fingerprint:
        _remove(partial)
        progress(UP_TO_DATE, total, total)
        return card
    facts = _write_shards(source, shards, progress)
    card = _publish(source, source_fingerprint, list(zip(shards, facts, strict=True)), partial)
    if final.exists():
        final.rename(replaced)
    partial.rename(final)
    _remove(replaced)
    progress(PREPARED, total, total)
    return card


def _settle(final: Path, replaced: Path) -> None:
    """Finish or undo a replacement that was killed between its two renames."""
    if replaced.exists() and not final.exists():
        replaced.rename(final)
    _remove(replaced)


def _plan(source: Source, partial: Path) -> list[_Shard]:
    labels_key = _labels_key(source.labels)
    return [
        _Shard(split, partial / split / shard_name(number, keys, labels_key), part)
        for split, pairs in source.splits.items()
        for number, part in enumerate(_portions(pairs))
        if (keys := [file_key(pair) for pair in part])
    ]


def _portions(pairs: Sequence[Pair]) -> Iterator[tuple[Pair, ...]]:
    """Divide pairs into shards that fit into memory several at a time."""
    portion: list[Pair] = []
    size = 0
    for pair in pairs:
        portion.append(pair)
        size += pair.image.stat().st_size + pair.mask.stat().st_size
        if len(portion) == SHARD_ROWS or size >= SHARD_BYTES:
            yield tuple(portion)
            portion, size = [], 0
    if portion:
        yield tuple(portion)


def _labels_key(labels: Labels) -> str:
    return repr((labels.id_map, sorted(labels.known), sorted(labels.ids_by_colour.items())))


def _source_fingerprint(source: Source, shards: Sequence[_Shard]) -> str:
    labels = source.labels
    record = (SCHEMA_VERSION, source.title, labels.classes, labels.palette, source.terms)
    names = [f"{shard.split}/{shard.path.name}" for shard in shards]
    return hashlib.sha256(repr((record, names)).encode()).hexdigest()


def _current(final: Path) -> DatasetCard | None:
    """Return the card of the set that is there, None if there is none or it is damaged."""
    try:
        return read_card(final)
    except DataError:
        return None


def _write_shards(source: Source, shards: Sequence[_Shard], progress: Progress) -> list[ShardFacts]:
    """Write the shards that are not there yet; finished ones survive a kill.

    Threads, not processes: reading and decoding happen outside the interpreter's lock, and a
    killed prepare leaves no children behind.
    """
    total = sum(len(shard.pairs) for shard in shards)
    problems: list[str] = []
    facts: dict[Path, ShardFacts] = {}
    done = 0
    for path in {shard.path.parent for shard in shards}:
        path.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        jobs = {pool.submit(_one_shard, source, shard): shard for shard in shards}
        try:
            for job in as_completed(jobs):
                result = job.result()
                if isinstance(result, ShardFacts):
                    facts[jobs[job].path] = result
                else:
                    problems += result
                done += len(jobs[job].pairs)
                progress(READING, done, total)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    refuse_all(sorted(problems))
    return [facts[shard.path] for shard in shards]


def _one_shard(source: Source, shard: _Shard) -> ShardFacts | list[str]:
    if facts := read_facts(shard.path):
        return facts
    rows: list[Row] = []
    problems: list[str] = []
    for pair in shard.pairs:
        try:
            rows.append(read_row(pair, source.labels, lenient=source.lenient))
        except DataError as error:
            problems.append(str(error))
    return problems or write_shard(shard.path, rows)


def _publish(
    source: Source,
    source_fingerprint: str,
    written: Sequence[tuple[_Shard, ShardFacts]],
    partial: Path,
) -> DatasetCard:
    """Complete the partial folder; its card comes last."""
    for leftover in partial.glob(".*"):
        leftover.unlink()
    for split in source.splits:
        own = [facts for shard, facts in written if shard.split == split]
        write_split(partial / split, split, own)
    write_dict(partial, list(source.splits))
    card = describe(source, source_fingerprint, [(shard.split, facts) for shard, facts in written])
    atomic_write(partial / CARD_NAME, card.to_text())
    return card


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
