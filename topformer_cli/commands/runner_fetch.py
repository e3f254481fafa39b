"""`topformer runner fetch`."""

from pathlib import Path

import click

from topformer_cli.commands import options


@click.command("fetch")
@click.argument("name", type=click.Choice(["litert", "tflite"]), default="litert")
@click.option("--version", metavar="V", help="Another release than the one this program names.")
@click.option("--from", "given", type=options.EXISTING_FILE, help="Take this file; no network.")
@click.option("--url", metavar="URL", help="Ask this address in place of the published one.")
@click.option("--again", is_flag=True, help="Download anew; accept another file than the first.")
@options.cache_option
@options.json_option
@options.verbosity_options
def fetch(  # noqa: PLR0913 - one parameter an option
    name: str,
    version: str | None,
    given: Path | None,
    url: str | None,
    again: bool,
    cache_dir: Path | None,
    as_json: bool,
) -> None:
    """Fetch Google's benchmark_model for arm64-v8a: a number from a phone without a compiler.

    `litert` (default) is LiteRT's pinned release, with run_model to compare its output; `tflite` is
    TensorFlow Lite's nightly build, which writes its output itself.
    """
    from topformer_cli import console
    from topformer_cli.api import runner_fetching

    wanted = runner_fetching.FetchWanted(
        name=name, version=version, url=url, given=given, again=again
    )
    console.note(runner_fetching.about(name))
    with console.progress("benchmark_model", console.BYTES) as heard:
        fetched = runner_fetching.fetch_runner(wanted, cache_dir, heard)
    if fetched.missing:
        console.warn(f"no program to compare outputs with: {fetched.missing}")
    if as_json:
        console.result_json(runner_fetching.fetched_record(fetched))
        return
    console.facts(
        (
            ("program", f"{fetched.name} {fetched.version}, {fetched.abi}"),
            ("file", str(fetched.path)),
            *([("compares", str(fetched.companion))] if fetched.companion else []),
            ("source", fetched.source),
            ("SHA-256", f"{fetched.sha256} ({fetched.how}; nobody publishes one)"),
            ("licence", fetched.licence),
        )
    )
