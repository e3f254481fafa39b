"""`topformer report`: runs, exports and measurements in one page beside the paper."""

from pathlib import Path

import click

from topformer_cli.commands import options


@click.command("report")
@click.argument("runs", nargs=-1, type=options.ANY_PATH)
@click.option(
    "-o",
    "--output",
    type=options.ANY_PATH,
    metavar="FOLDER",
    help="Where to write (default: report in --work-dir).",
)
@click.option(
    "--status", is_flag=True, help="Print what has been done of each row of the paper; no files."
)
@options.work_dir_option
@options.json_option
@options.verbosity_options
def command(
    runs: tuple[Path, ...], output: Path | None, status: bool, work_dir: Path, as_json: bool
) -> None:
    """Gather RUNS beside the paper's tables: one page, Markdown and CSV.

    RUNS are run folders, work folders, or JSON records of eval and bench; without any, all that is
    in --work-dir.
    """
    from topformer_cli import console

    console.note("report: counting networks and reading records (loading PyTorch)")
    from topformer_cli.api.reporting import status_sheet, write_report

    if status:
        sheet = status_sheet(runs, work_dir)
        if as_json:
            console.result_json({"status": sheet.to_json()})
        else:
            console.result(sheet.markdown().rstrip())
        return
    report = write_report(runs, work_dir, output or work_dir / "report")
    for problem in report.overview.problems:
        console.warn(problem)
    if as_json:
        console.result_json(report.to_json())
        return
    console.result(f"{report.overview.gathered} beside the paper's tables")
    console.result(f"page: {report.page}")
    console.result(f"text: {report.markdown}; tables: {report.tables[0].parent}/*.csv")
