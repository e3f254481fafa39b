"""README's status table is what the records in scripts/records make."""

import os
import re
from pathlib import Path

import pytest

from topformer_cli.api.reporting import status_sheet

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
BLOCK = re.compile(r"(<!-- status: .*? -->\n)(.*?)(<!-- end of status -->)", re.DOTALL)


def test_status_table_is_made_from_the_records() -> None:
    # Rows whose networks these make are counted with them only.
    pytest.importorskip("timm")
    pytest.importorskip("transformers")
    _, _, made = status_sheet((), ROOT / "scripts" / "records").markdown().partition("\n\n")
    text = README.read_text(encoding="utf-8")
    if os.environ.get("TOPFORMER_UPDATE_GOLDEN"):
        README.write_text(BLOCK.sub(lambda found: found[1] + made + found[3], text))
        return
    found = BLOCK.search(text)
    assert found is not None
    assert found[2] == made
