"""What a fetch would do, found out without a network and without reading archives."""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import quote, urlsplit

from topformer_cli.data.card import CARD_NAME, read_card
from topformer_cli.data.fetch.disk import free_bytes
from topformer_cli.data.fetch.given import Given, described, sort_out
from topformer_cli.data.fetch.ledger import Ledger
from topformer_cli.data.fetch.part import Part
from topformer_cli.data.fetch.request import FetchRequest
from topformer_cli.data.fetch.unpack import is_unpacked
from topformer_cli.data.spec import Archive
from topformer_cli.errors import DataError, UsageError

State = Literal["yours", "verified", "unread", "begun", "absent"]
"""The user's own; whole and known; whole, to be read; partly there; to be downloaded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivePlan:
    """One archive: path is where it lies or will lie, have the bytes that are there."""

    archive: Archive
    state: State
    path: Path
    have: int
    sources: tuple[str, ...]

    @property
    def is_there(self) -> bool:
        """Whether nothing of it is to be downloaded."""
        return self.state in ("yours", "verified", "unread")

    @property
    def size(self) -> int | None:
        """The size in bytes, as published or as found."""
        return self.have if self.is_there else self.archive.size

    @property
    def about(self) -> int | None:
        """The size in bytes, exact or as its publisher rounds it."""
        return self.size or self.archive.about

    @property
    def left(self) -> int:
        """The bytes to download, as far as anybody says."""
        return 0 if self.is_there else max(0, (self.about or 0) - self.have)

    @property
    def host(self) -> str:
        """Where it will come from."""
        if self.is_there or not self.sources:
            return str(self.path)
        return urlsplit(self.sources[0]).netloc.rpartition("@")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchPlan:
    """What a fetch would do; tree is the user's folder with the unpacked set, if there is one.

    ready says that the set is prepared already, and whole.
    """

    request: FetchRequest
    archives: tuple[ArchivePlan, ...]
    tree: Path | None
    terms_accepted: bool
    ready: bool

    @property
    def download(self) -> int:
        """The bytes to download, as far as anybody says."""
        return sum(one.left for one in self.archives)

    @property
    def unknown(self) -> tuple[str, ...]:
        """The archives to download whose size nobody says."""
        return tuple(one.archive.name for one in self.archives if one.about is None)

    @property
    def unpacking(self) -> int:
        """The bytes that unpacking takes at most; none if that is done."""
        if is_unpacked(self.request.tree):
            return 0
        return sum(one.archive.unpacked for one in self.archives if one.archive.unpack)

    @property
    def preparing(self) -> int:
        """About the bytes that the prepared form takes: pictures stay as they are."""
        if not self.request.prepare:
            return 0
        return sum(one.about or one.archive.unpacked for one in self.archives)

    @property
    def free(self) -> int:
        """The free space in the cache, in bytes."""
        return free_bytes(self.request.cache_dir)

    @property
    def needed(self) -> int:
        """The free space that a fetch needs, in bytes."""
        return self.download + self.unpacking + self.preparing


def make_plan(request: FetchRequest) -> FetchPlan:
    """Find out what is there and what is to be done.

    Raises:
        UsageError: a mirror is no address.
        DataError: a --from is of another set, or an archive can only be had by hand.
    """
    for mirror in request.mirrors:
        if urlsplit(mirror).scheme not in ("http", "https") or not urlsplit(mirror).netloc:
            message = f"--mirror {mirror} is no address; give http://HOST/FOLDER"
            raise UsageError(message)
    spec, ledger = request.spec, Ledger(request.cache_dir)
    given = sort_out(spec, request.given)
    ready = _ready(request)
    archives = () if ready or given.tree else _archives(request, given, ledger)
    return FetchPlan(
        request=request,
        archives=archives,
        tree=given.tree,
        terms_accepted=request.accept_terms or ledger.accepted(spec.name, spec.terms),
        ready=ready,
    )


def require_terms(plan: FetchPlan) -> None:
    """Refuse to fetch under terms that nobody accepted.

    Raises:
        UsageError: says what to type.
    """
    if not plan.terms_accepted:
        request = plan.request
        given = [f"--from {shlex.quote(str(one))}" for one in request.given]
        message = (
            f"the terms of {request.spec.name} are not accepted ({request.spec.terms}); to accept "
            f"them type: {request.line(*given, '--accept-terms')}"
        )
        raise UsageError(message)


def by_hand(request: FetchRequest, archive: Archive) -> str:
    """Say how to get an archive without this program."""
    place = archive.urls[0] if archive.urls else request.spec.homepage
    return f"download it by hand from {place} and type: {request.line('--from FILE')}"


def _archives(request: FetchRequest, given: Given, ledger: Ledger) -> tuple[ArchivePlan, ...]:
    spec = request.spec
    extra = [one for one in spec.also if one.name in given.archives]
    replaced = {one.replaces for one in extra} - given.archives.keys()
    needed = [one for one in spec.archives if one.name not in replaced]
    plans = [_archive(one, request, given, ledger) for one in (*needed, *extra)]
    closed = [one.archive for one in plans if not one.is_there and not one.sources]
    if closed:
        message = (
            f"{spec.title} is not to be had without registration: register at {spec.homepage}, "
            f"download {', '.join(map(described, closed))} into one folder and type: "
            f"{request.line('--from FOLDER')}"
        )
        raise DataError(message)
    return tuple(plans)


def _archive(archive: Archive, request: FetchRequest, given: Given, ledger: Ledger) -> ArchivePlan:
    path = given.archives.get(archive.name) or request.downloads / archive.name
    part = Part(path)
    state: State
    if archive.name in given.archives:
        state = "yours"
    elif path.exists():
        state = "verified" if ledger.verified(path) else "unread"
    else:
        state = "begun" if part.size else "absent"
    mirrors = [f"{one.rstrip('/')}/{quote(archive.name)}" for one in request.mirrors]
    return ArchivePlan(
        archive=archive,
        state=state,
        path=path,
        have=part.size if state in ("begun", "absent") else path.stat().st_size,
        sources=tuple(dict.fromkeys((*mirrors, *archive.urls))),
    )


def _ready(request: FetchRequest) -> bool:
    """Return whether there is nothing to do: asked for no more than what is prepared and whole."""
    if request.given or not request.prepare or not (request.prepared / CARD_NAME).is_file():
        return False
    try:
        card = read_card(request.prepared)
    except DataError:
        return False
    return card.partial is None or request.allow_partial
