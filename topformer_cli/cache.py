"""Where prepared data and phone runners are kept between runs."""

import os
from pathlib import Path


def cache_dir(given: Path | None = None) -> Path:
    """Return the cache folder: `--cache-dir`, else TOPFORMER_HOME, else the XDG cache."""
    if given is not None:
        return given
    if home := os.environ.get("TOPFORMER_HOME"):
        return Path(home)
    xdg = os.environ.get("XDG_CACHE_HOME")
    return (Path(xdg) if xdg else Path.home() / ".cache") / "topformer"
