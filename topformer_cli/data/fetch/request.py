"""What a fetch is asked for, where its files lie, and who hears of its progress."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from topformer_cli.data.spec import DatasetSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a server is waited for and how often it is asked again; times are in seconds.

    first_tries is for a server that was never reached, tries for one that answered; only tries
    without progress count. Pauses double from pause_s to longest_s; a server that asks for a
    longer one is left for the next.
    """

    connect_s: float = 10.0
    read_s: float = 30.0
    first_tries: int = 2
    tries: int = 6
    pause_s: float = 1.0
    longest_s: float = 60.0


USUAL: Final = Patience()


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchRequest:
    """A set to fetch.

    given are archives, folders of archives, or one folder that holds the unpacked set. mirrors
    are addresses of folders that are asked before the published ones. unverified accepts archives
    that are not the published ones, allow_partial fewer images.
    """

    spec: DatasetSpec
    cache_dir: Path
    given: tuple[Path, ...] = ()
    mirrors: tuple[str, ...] = ()
    accept_terms: bool = False
    unverified: bool = False
    allow_partial: bool = False
    prepare: bool = True
    keep_raw: bool = False
    patience: Patience = USUAL

    @property
    def downloads(self) -> Path:
        """The folder of archives, shared by all sets."""
        return self.cache_dir / "downloads"

    @property
    def tree(self) -> Path:
        """The folder that the set's archives are unpacked to."""
        return self.cache_dir / "raw" / self.spec.name

    @property
    def prepared(self) -> Path:
        """The folder of the prepared set."""
        return self.cache_dir / "data" / self.spec.name

    def line(self, *words: str) -> str:
        """Return what to type for this set."""
        return " ".join(("topformer data fetch", self.spec.name, *words))


class Watcher(Protocol):
    """Hears of a fetch's progress, in the thread that called it."""

    def progress(self, what: str, done: int, total: int, text: str = "") -> None:
        """Hear how much of a step is done: images of `prepare`, bytes of every other one.

        total is 0 as long as it is not known.
        """

    def note(self, text: str) -> None:
        """Hear something a person should know."""

    def warn(self, text: str) -> None:
        """Hear something that is wrong and does not end the fetch."""


class Unwatched:
    """Tells nobody."""

    def progress(self, what: str, done: int, total: int, text: str = "") -> None:
        """Show nothing."""

    def note(self, text: str) -> None:
        """Show nothing."""

    def warn(self, text: str) -> None:
        """Show nothing."""
