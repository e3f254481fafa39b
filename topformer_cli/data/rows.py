"""The rows of one split of a prepared set, out of shards that are mapped when they are read."""

import bisect
import itertools
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from topformer_cli.data.shards import STATE_NAME, parse_list, read_table
from topformer_cli.errors import DataError

if TYPE_CHECKING:
    from topformer_cli.data.remote import RemoteSet


class SplitRows:
    """The tables of a split as one list of rows; what is not here yet comes from remote.

    Raises:
        DataError: the list of its shards is missing or damaged.
    """

    def __init__(self, folder: Path, remote: "RemoteSet | None") -> None:
        try:
            self.listed = parse_list((folder / STATE_NAME).read_bytes())
        except (OSError, ValueError) as error:
            raise _damaged(folder, f"has no list of its shards ({error})") from error
        self._folder = folder
        self._remote = remote
        self._tables: dict[int, pa.Table] = {}
        self.starts: list[int] = [0, *itertools.accumulate(one.rows for one in self.listed)]
        self.rows = self.starts[-1]

    def require(self, rows: int) -> None:
        """Check that the files are there, and have as many rows as the card says."""
        if self.rows != rows:
            raise _damaged(self._folder, f"has {self.rows} of {rows} images")
        for one in () if self._remote else self.listed:
            path = self._folder / one.file
            try:
                length = path.stat().st_size
            except OSError as error:
                raise _damaged(path, f"cannot be read ({error.strerror})") from error
            if length != one.bytes:
                raise _damaged(path, f"has {length} of {one.bytes} bytes")

    def row(self, index: int, without: Collection[str] = ()) -> dict[str, Any]:
        """Return the columns of a row, but for some.

        Raises:
            IndexError: there is no such row.
            DataError: its shard is damaged, or not to be had.
        """
        if not 0 <= index < self.rows:
            message = f"image {index} of {self.rows}"
            raise IndexError(message)
        number = bisect.bisect_right(self.starts, index) - 1
        table, place = self._table(number), index - self.starts[number]
        names = (name for name in table.column_names if name not in without)
        return {name: table.column(name)[place].as_py() for name in names}

    def tables(self) -> list[pa.Table]:
        """Return all shards; those that are not here are fetched side by side."""
        if self._remote:
            self._remote.bring_all({self._folder.name: self.listed})
        return [self._table(number) for number in range(len(self.listed))]

    def ids(self) -> list[str]:
        """Return the ids of all rows."""
        return [sample_id for table in self.tables() for sample_id in table["id"].to_pylist()]

    def _table(self, number: int) -> pa.Table:
        if number not in self._tables:
            one = self.listed[number]
            path = self._folder / one.file
            if self._remote:
                self._remote.bring(self._folder.name, one)
            try:
                table = read_table(path)
            except (OSError, pa.ArrowException) as error:
                raise _damaged(path, f"cannot be read ({error})") from error
            if table.num_rows != one.rows:
                raise _damaged(path, f"has {table.num_rows} of {one.rows} images")
            self._tables[number] = table
        return self._tables[number]


def _damaged(place: Path, what: str) -> DataError:
    return DataError(f"{place} {what}: the set is damaged; prepare it again with --force")
