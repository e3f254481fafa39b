"""`topformer runner`: the programs that measure on phones."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from topformer_cli.commands import options
from topformer_cli.commands.runner_fetch import fetch

if TYPE_CHECKING:
    from topformer_cli.api.runner_building import BuildOutcome


@click.group("runner")
def command() -> None:
    """Build, fetch, check and list the programs that measure on phones."""


@command.command("build")
@click.option(
    "--tnn-home",
    "homes",
    type=options.EXISTING_FOLDER,
    multiple=True,
    help="TNN's sources and builds; repeatable (default: TNN_HOME).",
)
@click.option("--ndk", type=options.EXISTING_FOLDER, help="Compile with this Android NDK.")
@click.option(
    "--cxx",
    metavar="CMD",
    help="Compile with this g++ or clang++ (default: aarch64-linux-gnu-g++).",
)
@click.option(
    "--abi",
    type=click.Choice(["arm64-v8a", "armeabi-v7a", "x86_64"]),
    default="arm64-v8a",
    show_default=True,
    help="What the NDK compiles for.",
)
@click.option("--output", "out", type=options.ANY_PATH, help="Where to leave it (default: cache).")
@options.cache_option
@options.json_option
@options.verbosity_options
def build(  # noqa: PLR0913 - one parameter an option
    homes: tuple[Path, ...],
    ndk: Path | None,
    cxx: str | None,
    abi: str,
    out: Path | None,
    cache_dir: Path | None,
    as_json: bool,
) -> None:
    """Compile this program's own TNN runner against a TNN that you have built.

    \b
    topformer runner build --tnn-home TNN              static, for arm64 phones
    topformer runner build --tnn-home TNN --ndk NDK    with the Android NDK
    topformer runner build --tnn-home TNN --cxx g++    for --device host
    """  # noqa: D301 - click reads \b
    from topformer_cli import console
    from topformer_cli.api import runner_building
    from topformer_cli.api.places import Places

    wanted = runner_building.BuildWanted(homes=homes, ndk=ndk, cxx=cxx, abi=abi, out=out)
    outcome = runner_building.build(wanted, Places(cache=cache_dir))
    if as_json:
        console.result_json(runner_building.outcome_record(outcome))
        return
    _show(outcome)


@command.command("check")
@click.argument("file", type=options.EXISTING_FILE)
@options.json_option
@options.verbosity_options
def check(file: Path, as_json: bool) -> int:
    """Judge any program: what it is, what it needs, and which phones it would fit.

    Ends with 5 when something stands in its way.
    """
    from topformer_cli import console
    from topformer_cli.api import runner_building

    findings = runner_building.check(file)
    if as_json:
        console.result_json({"findings": [asdict(finding) for finding in findings]})
    else:
        console.facts([(one.what, one.found) for one in findings])
        for one in findings:
            if one.remedy:
                console.result(f"to do: {one.found}; {one.remedy}")
    return 5 if any(one.remedy for one in findings) else 0


@command.command("list")
@options.cache_option
@options.json_option
@options.verbosity_options
def list_(cache_dir: Path | None, as_json: bool) -> None:
    """Show the runners that are kept; the one of an engine and ABI is used without being named."""
    from topformer_cli import console
    from topformer_cli.api import runner_building
    from topformer_cli.api.places import Places

    kept = runner_building.kept(Places(cache=cache_dir))
    if as_json:
        console.result_json({"runners": [asdict(one) for one in kept]})
    elif kept:
        columns = ("engine", "ABI", "program", "linkage", "SHA-256", "from")
        rows = [
            (one.engine, one.abi, one.kind, one.linkage, one.sha256[:12], one.origin)
            for one in kept
        ]
        console.table("runners in use", columns, rows, range(6))
    else:
        console.result("none is kept; `topformer runner build` or `topformer runner fetch litert`")


def _show(outcome: "BuildOutcome") -> None:
    from topformer_cli import console

    built = outcome.built
    console.facts(
        (
            ("program", str(built.path)),
            ("linked with", built.tnn.describe()),
            ("TNN", built.origin),
            ("compiler", built.compiler),
            ("started", built.started or "not tried: nothing here can start it"),
        )
    )
    if outcome.kept is not None:
        console.note(f"kept for phones of {built.abi}: `topformer bench` uses it from now on")
    else:
        console.note(f"for this machine: topformer bench --device host --runner {built.path}")


command.add_command(fetch)
