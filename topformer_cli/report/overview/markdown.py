"""The report as one Markdown file: the same tables as the page, without its pictures."""

from topformer_cli.report.overview.records import Overview
from topformer_cli.report.overview.words import LIMITS, lead


def render_markdown(overview: Overview) -> str:
    """Return the file."""
    parts = [
        "# TopFormer: runs, exports and measurements beside the paper\n",
        f"{lead(overview)}\n",
        "".join(f"- {line}\n" for line in LIMITS),
        *(table.sheet().markdown() for table in overview.tables),
        *(sheet.markdown() for sheet in overview.others),
    ]
    if overview.problems:
        parts.append("## Left out\n\n" + "".join(f"- {text}\n" for text in overview.problems))
    parts.append(f"topformer {overview.version}, {overview.created}\n")
    return "\n".join(parts)
