"""Sets to be checked, and what a check says of them."""

from pathlib import Path

import pytest

from tests.fakes.pictures import make_custom
from topformer_cli.data.checks.report import CheckReport
from topformer_cli.data.checks.run import check
from topformer_cli.data.checks.subject import RawSet
from topformer_cli.data.findings import Finding
from topformer_cli.data.sources.custom import FolderRequest, folder_source

Found = dict[str, tuple[str, int]]


@pytest.fixture
def request_(tmp_path: Path) -> FolderRequest:
    return make_custom(tmp_path, 5, 3)


def checked(request: FolderRequest) -> CheckReport:
    faults = list[Finding]()
    source = folder_source(request, faults)
    return check(RawSet(source, tuple(faults)))


def found(report: CheckReport) -> Found:
    """What is not ok: state and count by kind."""
    return {
        line.check.kind: (line.state, line.count) for line in report.lines if line.state != "ok"
    }


def only(report: CheckReport, kind: str) -> str:
    """What the first finding of a kind says; its line in the table has an example of it."""
    [line] = [line for line in report.lines if line.check.kind == kind]
    assert line.example.split()[0] in line.findings[0].text()
    assert line.remedy == line.findings[0].remedy
    return str(line.findings[0])
