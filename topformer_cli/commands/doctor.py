"""`topformer doctor`: what is missing on this machine and how to get it."""

from dataclasses import asdict
from pathlib import Path

import click

from topformer_cli.commands import options


@click.command("doctor")
@options.cache_option
@options.json_option
@options.verbosity_options
def command(cache_dir: Path | None, as_json: bool) -> None:
    """Look at packages, processor, disk, data sets, phones, their runners, and compilers."""
    from topformer_cli import console
    from topformer_cli.api.machine import examine
    from topformer_cli.api.places import Places

    findings = examine(Places(cache=cache_dir))
    if as_json:
        console.result_json({"findings": [asdict(finding) for finding in findings]})
        return
    for finding in findings:
        mark = "to do" if finding.remedy else "ok"
        console.result(f"{mark:>5}  {finding.what}: {finding.found}")
        if finding.remedy:
            console.result(f"       {finding.remedy}")
