"""Sentences that the page and the Markdown file share."""

from typing import Final

from topformer_cli.report.overview.records import Overview

LIMITS: Final = (
    "Lines called `quoted from the paper` are the paper's. Nothing of them was reached or measured "
    "here.",
    "A letter beside a figure says why it may not be held against the paper's; the reasons stand "
    "below the table.",
    "A host's latency is not a phone's, and an emulated time is no latency.",
)


def lead(overview: Overview) -> str:
    """Say what was gathered, from where, and what of it comes from phones."""
    phones = overview.on_phones
    measured = {
        0: "No latency in it was measured on a phone.",
        1: "One latency in it was measured on a phone.",
    }.get(phones, f"{phones} latencies in it were measured on phones.")
    return f"{overview.gathered} from {', '.join(overview.sources)}. {measured}"
