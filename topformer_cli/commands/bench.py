"""`topformer bench`: latency on phones or on this host."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from topformer_cli.commands import options
from topformer_cli.commands.bench_options import Measuring, measuring_options

if TYPE_CHECKING:
    from topformer_cli.api.bench_records import Change, Files
    from topformer_cli.api.benching import Benched
    from topformer_cli.api.places import Places
    from topformer_cli.models.spec import SizeName


@click.command("bench")
@click.argument("targets", nargs=-1, type=options.ANY_PATH)
@options.model_options
@measuring_options
@click.option("--clean", is_flag=True, help="Remove what broken measurements left on the phone.")
@click.option("--strict", is_flag=True, help="Exit with 6 unless every verdict is stable.")
@click.option("--csv", type=options.ANY_PATH, help="Write every inference as a row.")
@click.option("--plot", type=options.ANY_PATH, help="Draw the samples (.png or .svg).")
@click.option("--share", type=options.ANY_PATH, help="Write a record without serial or names.")
@click.option("--compare", metavar="LAST|FILE", help="Hold against an earlier measurement.")
@click.option(
    "--fail-over",
    type=options.Amount(0),
    metavar="PERCENT",
    help="With --compare: exit with 7 when slower by more than this, beyond the noise.",
)
@options.work_dir_option
@options.cache_option
@options.json_option
@options.verbosity_options
def command(  # noqa: PLR0913 - one parameter an option
    targets: tuple[Path, ...],
    size: "SizeName | None",
    weights: Path | None,
    partial_weights: bool,
    measuring: Measuring,
    clean: bool,
    strict: bool,
    csv: Path | None,
    plot: Path | None,
    share: Path | None,
    compare: str | None,
    fail_over: float | None,
    work_dir: Path,
    cache_dir: Path | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Measure TARGETS in turns: exports, runs or checkpoints (default: the latest run's export)."""
    from topformer_cli.api.bench_records import Files
    from topformer_cli.api.places import Places
    from topformer_cli.errors import UsageError, together

    if fail_over is not None and compare is None:
        message = "--fail-over goes with --compare LAST or --compare FILE"
        raise UsageError(message)
    places = Places(work_dir, cache_dir)
    if clean:
        _clean(measuring, places)
        return
    wanted = _Wanted(
        targets=targets or (None,),
        model=(weights, size, partial_weights),
        measuring=measuring,
        files=Files(csv, plot, share),
        compare=compare,
        places=places,
        as_json=as_json,
    )
    done, changes = _measure(wanted)
    if done.errors:
        raise together(done.errors)
    _judge(done, changes, strict=strict, fail_over=fail_over)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    targets: "tuple[Path | None, ...]"
    model: "tuple[Path | None, SizeName | None, bool]"
    measuring: Measuring
    files: "Files"
    compare: str | None
    places: "Places"
    as_json: bool


def _measure(wanted: _Wanted) -> "tuple[Benched, list[Change]]":
    """Measure, and show and write what was found."""
    from topformer_cli import console
    from topformer_cli.api.bench_records import earlier, slowdowns
    from topformer_cli.api.benching import bench, find_targets
    from topformer_cli.api.models import ModelSource
    from topformer_cli.commands import show_bench
    from topformer_cli.commands.artifacts import find_subject
    from topformer_cli.models.spec import EXPORTED

    measuring, places = wanted.measuring, wanted.places
    wanted.files.require_room(places)
    choices = measuring.choices(places)
    machines = find_targets(choices)
    formats = tuple(dict.fromkeys(machine.format for machine in machines))
    sources = [ModelSource(target, *wanted.model, places, EXPORTED) for target in wanted.targets]
    subjects = [find_subject(source.target, source, formats) for source in sources]
    before = earlier(wanted.compare, places) if wanted.compare is not None else None
    for problem in before.problems if before else ():
        console.warn(problem)
    show_bench.begins(subjects, machines, measuring)
    with console.progress("bench", "s" if measuring.sustained else "rounds") as update:
        done = bench(subjects, choices, machines, update)
    changes = slowdowns(before, done.session)
    try:  # a reader of stdout that goes away takes no file with it, nor a full disk the table
        files = wanted.files.write(done.session)
    finally:
        if wanted.as_json:
            console.result_json(done.session.to_json())
        else:
            show_bench.session(done.session)
            show_bench.changes(changes)
        show_bench.kept(done.kept)
    show_bench.written(files)
    return done, changes


def _judge(
    done: "Benched", changes: "list[Change]", *, strict: bool, fail_over: float | None
) -> None:
    from topformer_cli.api.bench_records import require_none_slower, require_stable

    if strict:
        require_stable(done.session)
    if fail_over is not None:
        require_none_slower(changes, fail_over)


def _clean(measuring: Measuring, places: "Places") -> None:
    from topformer_cli import console
    from topformer_cli.api.benching import clean_devices

    for text in clean_devices(measuring.choices(places)):
        console.result(text)
