"""An archive to download, and what an attempt at it may come to."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from topformer_cli.data.fetch.part import Part
from topformer_cli.data.fetch.request import Patience
from topformer_cli.data.fetch.track import Track
from topformer_cli.data.spec import Archive


class Refused(Exception):  # noqa: N818 - these four say what to do next, they are no errors yet
    """This address will not do: go to the next one."""


class Broken(Exception):  # noqa: N818
    """It may work when asked again, pause_s seconds from now if the server says so."""

    def __init__(self, reason: str, *, reached: bool, pause_s: float | None = None) -> None:
        super().__init__(reason)
        self.reached = reached
        self.pause_s = pause_s


class Changed(Exception):  # noqa: N818
    """The part is of another content than the server has now: begin again."""


class Cancelled(Exception):  # noqa: N818
    """Somebody asked for the end of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """An archive to download: from which addresses in order, and what else the user can do."""

    archive: Archive
    urls: tuple[str, ...]
    part: Part
    patience: Patience
    unverified: bool
    track: Track
    remedy: str

    @property
    def is_whole(self) -> bool:
        """Whether the part has every byte already."""
        origin, have = self.part.origin(), self.part.size
        if origin is None or have == 0:
            return False
        return have == (self.archive.size if origin.total is None else origin.total)

    def usable(self, url: str) -> tuple[int, str | None]:
        """Return how many bytes of the part may be gone on with at an address, and on condition.

        At another address than the one they came from they may where a wrong piece would show.
        """
        origin, have = self.part.origin(), self.part.size
        if origin is None or (origin.total is not None and have > origin.total):
            return 0, None
        condition = origin.condition if same_place(url, origin.url) else None
        would_show = bool(self.archive.checksums) and not self.unverified
        if condition is None and not (would_show and origin.total is not None):
            return 0, None
        return have, condition


def same_place(one: str, other: str) -> bool:
    """Return whether two addresses differ in nothing but http and https, or who asks."""
    return without_user(one).partition("://")[2] == without_user(other).partition("://")[2]


def without_user(url: str) -> str:
    """Return an address without the name and password that it may have."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
