"""The steps of a fetch: terms, archives, unpacking, preparation."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from topformer_cli.data.card import DatasetCard, read_card
from topformer_cli.data.fetch.disk import writing
from topformer_cli.data.fetch.gather import FetchedArchive, gather
from topformer_cli.data.fetch.ledger import Ledger
from topformer_cli.data.fetch.locks import held
from topformer_cli.data.fetch.plan import FetchPlan, make_plan, require_terms
from topformer_cli.data.fetch.request import FetchRequest, Unwatched, Watcher
from topformer_cli.data.fetch.tree import Unpacking
from topformer_cli.data.fetch.unpack import remove_tree, unpack_all


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What a fetch came to.

    source is the folder that the set was prepared from, or is to be prepared from; None where it
    has served its purpose. card is that of the prepared set. warnings are the card's too.
    """

    archives: tuple[FetchedArchive, ...] = ()
    source: Path | None
    card: DatasetCard | None
    warnings: tuple[str, ...] = ()


def fetch(request: FetchRequest, watcher: Watcher | None = None) -> Fetched:
    """Fetch a set and prepare it; what was done before, by whichever process, is not done again.

    Raises:
        UsageError: the terms are not accepted; says what to type.
        DataError: an archive cannot be had, is not the one it should be or may not be unpacked,
            the disk takes no more, or something is wrong with the set. Whatever is complete stays.
    """
    watcher = watcher or Unwatched()
    ledger = Ledger(request.cache_dir)
    plan = make_plan(request)
    if plan.ready:
        return Fetched(source=None, card=read_card(request.prepared))
    require_terms(plan)
    with held(request.tree, f"{request.spec.name} is being fetched"):
        ledger.accept(request.spec.name, request.spec.terms)
        plan = make_plan(request)
        if plan.tree is None:
            return _from_archives(plan, ledger, watcher)
        card = _prepare(request, plan.tree, (), watcher) if request.prepare else None
        return Fetched(source=plan.tree, card=card)


def _from_archives(plan: FetchPlan, ledger: Ledger, watcher: Watcher) -> Fetched:
    request = plan.request
    archives = gather(plan, ledger, watcher)
    warnings = _warnings(archives)
    for text in warnings:
        watcher.warn(text)
    parts = [Unpacking(one.archive, one.path, one.verified.sha256) for one in archives]
    unpack_all(parts, request.tree, watcher)
    # Not before: what could be unpacked to its end is no half of an archive.
    lock_first_uses(archives, ledger, watcher)
    card = _prepare(request, request.tree, warnings, watcher) if request.prepare else None
    keeps = request.keep_raw or card is None
    if not keeps:
        with writing(request.tree):
            remove_tree(request.tree)
    source = request.tree if keeps else None
    return Fetched(archives=archives, source=source, card=card, warnings=warnings)


def _warnings(archives: Sequence[FetchedArchive]) -> tuple[str, ...]:
    return tuple(
        f"{one.archive.name} is not the published archive (its sha256 is {one.verified.sha256}); "
        "it was taken with --unverified"
        for one in archives
        if one.verified.how == "unverified"
    )


def lock_first_uses(archives: Sequence[FetchedArchive], ledger: Ledger, watcher: Watcher) -> None:
    """Remember what nobody published a checksum of, and say so the first time."""
    for one in archives:
        known = ledger.first_use(one.archive.name)
        if one.archive.checksums or (known and known.sha256 == one.verified.sha256):
            continue
        ledger.lock(one.archive.name, one.verified)
        watcher.note(
            f"{one.archive.name}: nobody published a checksum; from now on it must have the "
            f"sha256 {one.verified.sha256} that it had this first time ({ledger.path})"
        )


def _prepare(
    request: FetchRequest, folder: Path, notes: tuple[str, ...], watcher: Watcher
) -> DatasetCard:
    # Only now: loading what reads pictures takes seconds.
    from topformer_cli.data.prepare import prepare
    from topformer_cli.data.sources.published import KnownRequest

    known = KnownRequest(
        spec=request.spec,
        folder=folder,
        cache_dir=request.cache_dir,
        allow_partial=request.allow_partial,
        notes=notes,
    )
    return prepare(known, lambda _, done, total: watcher.progress("prepare", done, total))
