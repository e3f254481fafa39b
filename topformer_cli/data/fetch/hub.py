"""Files in repositories of the Hugging Face hub: hf://OWNER/REPO[@REVISION][/FILE].

Source of the addresses: the hub's HTTP interface (huggingface.co/docs/hub/api). HF_ENDPOINT names
another server than https://huggingface.co, as it does for huggingface_hub. Only public
repositories.
"""

import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import PurePosixPath
from typing import Any, Final

import requests

from topformer_cli.data.fetch.answer import reason
from topformer_cli.data.fetch.http import new_session
from topformer_cli.data.fetch.request import USUAL
from topformer_cli.data.spec import Archive
from topformer_cli.errors import DataError, UsageError

SCHEME: Final = "hf://"
LARGEST: Final = 4 << 30
"""No weights of such networks have as many bytes."""

_ADDRESS: Final = re.compile(
    r"hf://([\w.-]+/[\w.-]+?)(?:@([\w.-][\w./-]*?))?(?:/([\w./ -]+))?", re.ASCII
)


@dataclass(frozen=True, slots=True)
class HubAddress:
    """A repository, one of its revisions, and a file in it; no file: the only one of its kind."""

    repository: str
    revision: str = "main"
    file: str = ""

    @property
    def key(self) -> str:
        """What a file system can call it."""
        at = "" if self.revision == "main" else f"@{self.revision}"
        return "--".join(("hf", *f"{self.repository}{at}/{self.file}".strip("/").split("/")))


def parse_address(text: str) -> HubAddress:
    """Read an address.

    Raises:
        UsageError: it is none.
    """
    match = _ADDRESS.fullmatch(text)
    if match is None or ".." in text:
        message = f"{text!r} is no address; give hf://OWNER/REPO, or hf://OWNER/REPO/FILE"
        raise UsageError(message)
    return HubAddress(match[1], match[2] or "main", match[3] or "")


def hub_archive(address: HubAddress, suffixes: Collection[str]) -> tuple[Archive, str]:
    """Ask the hub for the file of an address; return it, pinned, and the revision it is of.

    Raises:
        DataError: the hub cannot be asked, or has no such repository, or no such file, or several.
    """
    endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
    repository = address.repository
    url = f"{endpoint}/api/models/{repository}/revision/{address.revision}"
    record = _asked(url, repository)
    revision = str(record.get("sha") or address.revision)
    files = _files(record)
    name = address.file or _only(repository, files, suffixes)
    if name not in files:
        message = f"hf://{repository} has no {name}; it has {_some(files)}"
        raise DataError(message)
    size, sha256 = files[name]
    key = HubAddress(repository, revision[:12], name).key
    archive = Archive(
        name=key,
        urls=(f"{endpoint}/{repository}/resolve/{revision}/{name}",),
        size=size,
        unpacked=LARGEST,
        checksums={"sha256": sha256} if sha256 else {},
    )
    return archive, revision


def _asked(url: str, repository: str) -> Mapping[str, Any]:
    try:
        with new_session() as session:
            answer = session.get(
                url, params={"blobs": "true"}, timeout=(USUAL.connect_s, USUAL.read_s)
            )
        if answer.status_code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND):
            message = (
                f"hf://{repository}: the hub has no such public repository or revision "
                f"({answer.status_code}); a private one's file is downloaded by hand and named"
            )
            raise DataError(message)
        answer.raise_for_status()
        record = answer.json()
    except requests.HTTPError as error:
        message = f"hf://{repository}: the hub answers {error.response.status_code}; try again"
        raise DataError(message) from error
    except (requests.RequestException, ValueError) as error:
        message = f"hf://{repository}: {url.split('/api/')[0]}: {reason(error)}"
        raise DataError(message) from error
    if not isinstance(record, dict):
        message = f"hf://{repository}: the hub's answer is no record; try again"
        raise DataError(message)
    return record


def _files(record: Mapping[str, Any]) -> dict[str, tuple[int | None, str]]:
    """Return size in bytes and SHA-256, as far as the hub says, of every file."""
    found = {}
    siblings = record.get("siblings")
    for one in siblings if isinstance(siblings, list) else ():
        if not isinstance(one, dict):
            continue
        large = one["lfs"] if isinstance(one.get("lfs"), dict) else {}
        size = large.get("size", one.get("size"))
        found[str(one.get("rfilename"))] = (
            size if isinstance(size, int) else None,
            str(large.get("sha256") or ""),
        )
    return found


def _only(repository: str, files: Collection[str], suffixes: Collection[str]) -> str:
    """Return the file that is meant where none was named."""
    fitting = [name for name in files if PurePosixPath(name).suffix in suffixes]
    best = [name for name in fitting if name == "model.safetensors"] or fitting
    if len(best) != 1:
        what = "several weights files" if best else "no weights file"
        message = (
            f"hf://{repository} has {what} ({_some(best or files)}); name one: "
            f"hf://{repository}/FILE"
        )
        raise DataError(message)
    return best[0]


def _some(names: Collection[str]) -> str:
    shown = sorted(names)[:6]
    return ", ".join(shown) + (", ..." if len(names) > len(shown) else "") or "no file"
