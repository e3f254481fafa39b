"""`topformer data fetch`."""

import dataclasses
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from topformer_cli.commands import options
from topformer_cli.commands.fetch_view import following

if TYPE_CHECKING:
    from topformer_cli.api.fetching import FetchChoices
    from topformer_cli.data.fetch.plan import ArchivePlan, FetchPlan
    from topformer_cli.data.fetch.steps import Fetched


@click.command("fetch")
@click.argument("name")
@click.option("--accept-terms", is_flag=True, help="Accept the terms that the set is used under.")
@click.option(
    "--from",
    "given",
    type=options.EXISTING_PATH,
    multiple=True,
    metavar="PATH",
    help="An archive you have, a folder of them, or the unpacked set; repeatable.",
)
@click.option(
    "--mirror",
    "mirrors",
    multiple=True,
    metavar="URL",
    help="A folder of archives to ask before the published ones; repeatable.",
)
@click.option("--no-prepare", is_flag=True, help="Stop when the archives are unpacked.")
@click.option("--keep-raw", is_flag=True, help="Keep the unpacked files beside the prepared set.")
@click.option("--unverified", is_flag=True, help="Accept archives that are not the published ones.")
@click.option("--allow-partial", is_flag=True, help="Accept fewer images than were published.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and stop.")
@options.cache_option
@options.json_option
@options.verbosity_options
def command(  # noqa: PLR0913 - one parameter an option
    name: str,
    accept_terms: bool,
    given: tuple[Path, ...],
    mirrors: tuple[str, ...],
    no_prepare: bool,
    keep_raw: bool,
    unverified: bool,
    allow_partial: bool,
    dry_run: bool,
    cache_dir: Path | None,
    as_json: bool,
) -> None:
    """Download NAME, verify, unpack and prepare it; goes on where it was stopped."""
    from topformer_cli import console
    from topformer_cli.api import fetching
    from topformer_cli.api.places import Places
    from topformer_cli.errors import Stopped

    choices = fetching.FetchChoices(
        name=name,
        given=given,
        mirrors=mirrors,
        accept_terms=accept_terms,
        unverified=unverified,
        allow_partial=allow_partial,
        prepare=not no_prepare,
        keep_raw=keep_raw,
        places=Places(cache=cache_dir),
    )
    plan = fetching.plan_fetch(choices)
    if dry_run and as_json:
        console.result_json(fetching.plan_record(plan))
        return
    _show_plan(plan, console.result if dry_run else console.note)
    if dry_run:
        return
    choices = _with_terms(choices, plan)
    try:
        with following(name) as view:
            fetched = fetching.fetch_set(choices, view)
    except KeyboardInterrupt as stop:
        message = f"stopped; what came is kept, go on with: {plan.request.line()}"
        raise Stopped(message, signal.SIGINT) from stop
    if as_json:
        console.result_json(fetching.fetched_record(name, fetched))
    else:
        _show(plan, fetched)


def _show_plan(plan: "FetchPlan", say: Callable[[str], None]) -> None:
    """Say what would be done, with sizes, places and terms."""
    from topformer_cli.units import size_text

    spec = plan.request.spec
    say(f"{spec.name}: {spec.title}")
    if plan.ready:
        say("already prepared: nothing to do")
        return
    if plan.tree is not None:
        say(f"  the unpacked set in {plan.tree} is prepared where it lies")
    width = max((len(one.archive.name) for one in plan.archives), default=0)
    for one in plan.archives:
        say(f"  {one.archive.name:{width}}  {_size(one):>9}  {_place(one)}")
    if plan.archives:
        more = f" and {', '.join(plan.unknown)} of unknown size" if plan.unknown else ""
        say(
            f"download {size_text(plan.download)}{more}, unpacking up to "
            f"{size_text(plan.unpacking)}, prepared form about {size_text(plan.preparing)}; "
            f"{size_text(plan.free)} free in {plan.request.cache_dir}"
        )
    accepted = " (accepted)" if plan.terms_accepted else ""
    say(f"terms{accepted}: {spec.terms}; see {spec.homepage}")


def _size(one: "ArchivePlan") -> str:
    from topformer_cli.units import size_text

    if one.about is None:
        return "?"
    return size_text(one.about) if one.size else f"~{size_text(one.about)}"


def _place(one: "ArchivePlan") -> str:
    from topformer_cli.units import size_text

    match one.state:
        case "yours":
            return f"yours: {one.path}"
        case "verified":
            return "downloaded and verified"
        case "unread":
            return f"to be verified: {one.path}"
        case "begun":
            return f"from {one.host}, {size_text(one.have)} are there"
        case "absent":
            return f"from {one.host}"


def _with_terms(choices: "FetchChoices", plan: "FetchPlan") -> "FetchChoices":
    """Ask for the terms where somebody can answer; fetching refuses to go on without."""
    if plan.terms_accepted or plan.ready or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return choices
    terms = plan.request.spec.terms
    if not click.confirm(f"use {choices.name} under its terms ({terms})?", err=True):
        return choices
    return dataclasses.replace(choices, accept_terms=True)


def _show(plan: "FetchPlan", fetched: "Fetched") -> None:
    from topformer_cli import console
    from topformer_cli.units import size_text

    name, card = plan.request.spec.name, fetched.card
    for one in fetched.archives:
        console.detail(f"{one.path}: sha256 {one.verified.sha256}, {one.verified.how}")
    if card is None:
        console.result(f"{name}: unpacked in {fetched.source}")
        console.note(f"next: topformer data prepare {name} --source {fetched.source}")
        return
    for warning in card.warnings:
        if warning not in fetched.warnings:
            console.warn(warning)
    counts = ", ".join(f"{count} {split}" for split, count in card.counts.items())
    state = "already prepared" if plan.ready else "prepared"
    console.result(f"{name}: {state}, {counts} images, {len(card.classes)} classes")
    own = [one for one in fetched.archives if one.path.parent == plan.request.downloads]
    if own:
        total = size_text(sum(one.verified.size for one in own))
        console.note(
            f"the archives ({total}) stay in {plan.request.downloads}; you may delete them"
        )
    console.note(f"next: topformer data show {name}, topformer train {name} --size tiny")
