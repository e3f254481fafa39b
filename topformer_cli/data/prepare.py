"""Turns a set as people have it into the one prepared form, once.

<cache>/data/<name>.partial/     finished shards; a killed prepare goes on from them
<cache>/data/<name>/             the whole set: the partial folder, renamed when its card is in
<cache>/data/.<name>.lock        held while a set is prepared; the system frees a dead owner's
"""

import functools
import hashlib
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import filelock

from topformer_cli.data.card import CARD_NAME, DatasetCard, prepared_path, read_card
from topformer_cli.data.convert import Shard, Writing, plan_shards, set_features, write_shards
from topformer_cli.data.describe import Written, describe
from topformer_cli.data.shards import SCHEMA_VERSION, write_dict, write_split
from topformer_cli.data.sources.boxes import BoxRequest, box_source
from topformer_cli.data.sources.class_folders import ClassRequest, class_source
from topformer_cli.data.sources.custom import FolderRequest, folder_source
from topformer_cli.data.sources.published import KnownRequest, published_source
from topformer_cli.data.sources.source import Preparation, Source
from topformer_cli.errors import DataError
from topformer_cli.rundir import atomic_write

Progress = Callable[[str, int, int], None]
"""Called with (what is done, images done, images in all); last with `UP_TO_DATE` or `PREPARED`."""

Request = FolderRequest | BoxRequest | ClassRequest | KnownRequest

READING: Final = "prepare"
PREPARED: Final = "prepared"
UP_TO_DATE: Final = "already prepared"


def silent(what: str, done: int, total: int) -> None:
    """Report progress to nobody."""


def prepare(request: Request, progress: Progress = silent) -> DatasetCard:
    """Find a set on disk and prepare it.

    Raises:
        DataError: anything is wrong with the set; nothing was published.
    """
    name = request.spec.name if isinstance(request, KnownRequest) else request.name
    final = prepared_path(request.cache_dir, name)
    source = _source(request)
    _check_counts(source, allow_partial=request.allow_partial)
    lock = filelock.FileLock(final.parent / f".{name}.lock", timeout=0)
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        with lock:
            return _prepare_locked(source, final, request, progress)
    except filelock.Timeout as error:
        message = f"{name} is being prepared by another process; wait until it is done"
        raise DataError(message) from error
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        message = (
            f"{error.filename or final}: {reason} while preparing {name}; what is complete is "
            "kept: free some space or choose another place with --cache-dir, then type the same "
            "line again"
        )
        raise DataError(message) from error


def _source(request: Request) -> Source:
    match request:
        case FolderRequest():
            return folder_source(request)
        case BoxRequest():
            return box_source(request)
        case ClassRequest():
            return class_source(request)
        case KnownRequest():
            return published_source(request)


def _check_counts(source: Source, *, allow_partial: bool) -> None:
    for split, items in source.splits.items():
        if not items:
            message = f"{source.place} holds no {split} images of {source.title}"
            raise DataError(message)
    wrong = [
        f"{split} has {len(source.splits.get(split, ()))} of {count} images"
        for split, count in source.expected.items()
        if len(source.splits.get(split, ())) != count
    ]
    if wrong and not allow_partial:
        message = (
            f"{source.place}: {' and '.join(wrong)} that {source.title} was published with; "
            "complete it, or take what is there with --allow-partial"
        )
        raise DataError(message)


def _prepare_locked(
    source: Source, final: Path, preparation: Preparation, progress: Progress
) -> DatasetCard:
    partial = final.with_name(f"{final.name}.partial")
    replaced = final.with_name(f"{final.name}.replaced")
    _settle(final, replaced)
    total = sum(len(items) for items in source.splits.values())
    shards = plan_shards(source, partial)
    source_fingerprint = _fingerprint(source, shards, preparation.notes)
    if preparation.force:
        _remove(partial)
    elif (card := _current(final)) and card.source_fingerprint == source_fingerprint:
        _remove(partial)
        progress(UP_TO_DATE, total, total)
        return card
    report = functools.partial(progress, READING)
    try:
        written = write_shards(shards, Writing(source.reading, report, preparation.workers))
    except DataError:
        if not any(path.is_file() for path in partial.rglob("*")):
            _remove(partial)  # no shard was finished that another attempt could go on from
        raise
    card = describe(source, source_fingerprint, written, preparation.notes)
    _complete(partial, card, written)
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


def _fingerprint(source: Source, shards: Sequence[Shard], notes: Sequence[str]) -> str:
    labels = source.reading.labels
    record = (SCHEMA_VERSION, source.title, labels.classes, labels.palette, source.terms, *notes)
    names = [f"{shard.split}/{shard.path.name}" for shard in shards]
    return hashlib.sha256(repr((record, names)).encode()).hexdigest()


def _current(final: Path) -> DatasetCard | None:
    """Return the card of the set that is there, None if there is none or it is damaged."""
    try:
        return read_card(final)
    except DataError:
        return None


def _complete(partial: Path, card: DatasetCard, written: Written) -> None:
    """Complete the partial folder; its card comes last."""
    for leftover in partial.glob(".*"):
        leftover.unlink()
    features = set_features(card.task, card.classes)
    for split, shards in written.items():
        write_split(partial / split, shards, features)
    write_dict(partial, list(written))
    atomic_write(partial / CARD_NAME, card.to_text())


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
