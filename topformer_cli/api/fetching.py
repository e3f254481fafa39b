"""Fetch published data sets."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from topformer_cli.api.places import USUAL, Places
from topformer_cli.cache import cache_dir
from topformer_cli.data.catalog import DATASETS
from topformer_cli.data.fetch.plan import FetchPlan, make_plan
from topformer_cli.data.fetch.request import FetchRequest, Watcher
from topformer_cli.data.fetch.steps import Fetched, fetch
from topformer_cli.errors import UsageError, did_you_mean


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchChoices:
    """A published set to fetch, and how.

    given are archives, folders of archives or one folder with the unpacked set; mirrors are
    addresses of folders that are asked first. unverified accepts other archives than the
    published ones, allow_partial fewer images.
    """

    name: str
    given: tuple[Path, ...] = ()
    mirrors: tuple[str, ...] = ()
    accept_terms: bool = False
    unverified: bool = False
    allow_partial: bool = False
    prepare: bool = True
    keep_raw: bool = False
    places: Places = USUAL


def plan_fetch(choices: FetchChoices) -> FetchPlan:
    """Find out what a fetch would do, without a network.

    Raises:
        UsageError: the set is not known, or a mirror is no address.
        DataError: what is given is of another set, or an archive can only be had by hand.
    """
    return make_plan(_request(choices))


def fetch_set(choices: FetchChoices, watcher: Watcher | None = None) -> Fetched:
    """Download what is missing, verify, unpack and prepare a set.

    Raises:
        UsageError: the set is not known, or its terms are not accepted; says what to type.
        DataError: something cannot be had or is not what it should be; what is complete stays.
    """
    return fetch(_request(choices), watcher)


def _request(choices: FetchChoices) -> FetchRequest:
    if choices.name not in DATASETS:
        close = did_you_mean(choices.name, DATASETS)
        message = (
            f"{choices.name!r} is no published set this version knows ({', '.join(DATASETS)})"
            f"{close}{'' if close else '; a set of your own: topformer data prepare'}"
        )
        raise UsageError(message)
    return FetchRequest(
        spec=DATASETS[choices.name],
        cache_dir=cache_dir(choices.places.cache),
        given=choices.given,
        mirrors=choices.mirrors,
        accept_terms=choices.accept_terms,
        unverified=choices.unverified,
        allow_partial=choices.allow_partial,
        prepare=choices.prepare,
        keep_raw=choices.keep_raw,
    )


def plan_record(plan: FetchPlan) -> dict[str, Any]:
    """Return the plain record of a plan; sizes are in bytes, null where nobody says."""
    spec = plan.request.spec
    return {
        "set": spec.name,
        "title": spec.title,
        "prepared": plan.ready,
        "archives": [
            {
                "name": one.archive.name,
                "state": one.state,
                "path": str(one.path),
                "bytes": one.size,
                "about_bytes": one.about,
                "bytes_there": one.have,
                "sources": list(one.sources),
            }
            for one in plan.archives
        ],
        "tree": str(plan.tree) if plan.tree else None,
        "download_bytes": plan.download,
        "unpack_bytes": plan.unpacking,
        "prepare_bytes": plan.preparing,
        "free_bytes": plan.free,
        "cache": str(plan.request.cache_dir),
        "terms": spec.terms,
        "terms_accepted": plan.terms_accepted,
    }


def fetched_record(name: str, fetched: Fetched) -> dict[str, Any]:
    """Return the plain record of a fetch."""
    card = fetched.card
    return {
        "set": name,
        "prepared": card is not None,
        "archives": [
            {
                "name": one.archive.name,
                "path": str(one.path),
                "sha256": one.verified.sha256,
                "bytes": one.verified.size,
                "url": one.verified.url or None,
                "verified": one.verified.how,
            }
            for one in fetched.archives
        ],
        "source": str(fetched.source) if fetched.source else None,
        "warnings": list(card.warnings if card else fetched.warnings),
        "card": card
        and {
            "title": card.title,
            "task": card.task,
            "classes": len(card.classes),
            "images": card.counts,
            "partial": card.partial,
            "fingerprint": card.fingerprint,
            "terms": card.terms,
        },
    }
