"""Where a prepared set may lie besides the disk: what fsspec knows, and web servers.

Web servers are asked with requests, as it is there anyway and honours proxies and .netrc, which
fsspec's own HTTP does not.
"""

import contextlib
import errno
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import quote, urlsplit

import fsspec.core
import fsspec.implementations.local
import requests

from topformer_cli import __version__
from topformer_cli.errors import DataError, UsageError

_TIMEOUTS_S: Final = (10, 60)
_CHUNK: Final = 1 << 20
_DISK: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS})
_FOREIGN: Final = {
    "aiohttp": "ClientError",
    "botocore.exceptions": "BotoCoreError",
    "google.auth.exceptions": "GoogleAuthError",
    "httpx2": "HTTPError",
}
"""Modules that file systems bring, and their errors that are no OSError."""


class UnreachableError(DataError):
    """It may be there, and cannot be asked now."""


class Origin(Protocol):
    """A folder of files elsewhere."""

    def read(self, name: str) -> bytes:
        """Return the content of a file.

        Raises:
            UnreachableError: there is no way to it now.
            DataError: it is not there, or may not be read.
        """
        ...

    def save(self, name: str, target: Path) -> None:
        """Copy a file to this machine.

        Raises:
            OSError: the disk is full.
            DataError: as `read`.
        """
        ...


def open_origin(url: str) -> Origin | Path:
    """Return what an address leads to: a folder of this machine, or one elsewhere.

    Raises:
        UsageError: nobody knows such an address, or it holds a password.
        DataError: the package for it is not installed.
    """
    parts = urlsplit(url)
    if parts.password or (parts.scheme in ("http", "https") and (parts.query or parts.fragment)):
        message = (
            f"{parts.scheme}://...{parts.path}: leave passwords and signatures out of the address, "
            "which recipes and reports repeat; .netrc or the environment is the place for them"
        )
        raise UsageError(message)
    if parts.scheme in ("http", "https"):
        return _Web(url)
    try:
        system, root = fsspec.core.url_to_fs(url)
    except ImportError as error:
        missing = error.__cause__.name if isinstance(error.__cause__, ImportError) else None
        package = (missing or parts.scheme).partition(".")[0]
        message = f"{url}: {parts.scheme}:// needs a package; type: pip install {package}"
        raise DataError(message) from error
    except ValueError as error:
        message = f"{url}: no file system is known for {parts.scheme}://"
        raise UsageError(message) from error
    if isinstance(system, fsspec.implementations.local.LocalFileSystem):
        return Path(root)
    system.invalidate_cache()
    return _Remote(url, system, root)


@dataclass(frozen=True, slots=True)
class _Remote:
    """A folder on a file system that fsspec knows."""

    url: str
    system: Any
    root: str

    def read(self, name: str) -> bytes:
        with _one_line(self.url, name):
            return bytes(self.system.cat_file(f"{self.root}/{name}"))

    def save(self, name: str, target: Path) -> None:
        with _one_line(self.url, name):
            self.system.get_file(f"{self.root}/{name}", str(target))


@dataclass(frozen=True, slots=True)
class _Web:
    """A folder behind a web server."""

    url: str

    def read(self, name: str) -> bytes:
        return b"".join(self._pieces(name))

    def save(self, name: str, target: Path) -> None:
        with _one_line(self.url, name), target.open("wb") as file:
            for piece in self._pieces(name):
                file.write(piece)

    def _pieces(self, name: str) -> Iterator[bytes]:
        # A server that compresses would hide a cut.
        headers = {"User-Agent": f"topformer/{__version__}", "Accept-Encoding": "identity"}
        place = f"{self.url}/{quote(name)}"
        with (
            _one_line(self.url, name),
            requests.get(place, headers=headers, stream=True, timeout=_TIMEOUTS_S) as answer,
        ):
            _require_success(answer)
            yield from answer.iter_content(_CHUNK)


def _require_success(answer: requests.Response) -> None:
    status = answer.status_code
    if status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
        raise FileNotFoundError(status)
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        raise PermissionError(status)
    if status != HTTPStatus.OK:
        message = f"{status} {answer.reason}"
        raise ConnectionError(message)


@contextlib.contextmanager
def _one_line(url: str, name: str) -> Iterator[None]:
    """Turn what file systems raise into one line; a full disk of this machine stays an OSError."""
    try:
        yield
    except FileNotFoundError as error:
        message = f"{url} has no {name}; give the address of a prepared set's folder"
        raise DataError(message) from error
    except PermissionError as error:
        message = f"{url}/{name} may not be read; check your credentials for {urlsplit(url).netloc}"
        raise DataError(message) from error
    except _errors() as error:
        if isinstance(error, OSError) and error.errno in _DISK:
            raise
        message = (
            f"{url} cannot be reached ({_reason(error)}); check the address, the network, and your "
            "credentials if it asks for any"
        )
        raise UnreachableError(message) from error


def _errors() -> tuple[type[Exception], ...]:
    """Return what may be raised: packages that are not loaded have raised nothing."""
    modules = {name: sys.modules.get(module) for module, name in _FOREIGN.items()}
    found = (getattr(module, name, None) for name, module in modules.items() if module)
    return (OSError, *(error for error in found if isinstance(error, type)))


def _reason(error: BaseException) -> str:
    """Return the innermost words of the system, which are the shortest; else the error's own."""
    found = " ".join(str(error).split())[:120] or type(error).__name__
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno is not None and cause.strerror:
            found = cause.strerror
        cause = cause.__cause__ or cause.__context__
    return found
