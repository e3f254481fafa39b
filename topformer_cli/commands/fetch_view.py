"""How the progress of a fetch is shown."""

import contextlib
from collections.abc import Callable, Iterator


class FetchView:
    """Shows each step of a fetch as a progress line of its own."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.what = ""
        self.line = contextlib.ExitStack()
        self.update: Callable[..., None] | None = None

    def progress(self, what: str, done: int, total: int, text: str = "") -> None:
        """Show how much of a step is done."""
        from topformer_cli import console

        if what != self.what or self.update is None:
            self.line.close()
            self.what = what
            unit = "images" if what == "prepare" else console.BYTES
            self.update = self.line.enter_context(console.progress(f"{what} {self.name}", unit))
        self.update(done, total, text)

    def note(self, text: str) -> None:
        """Show something a person should know."""
        from topformer_cli import console

        console.note(text)

    def warn(self, text: str) -> None:
        """Show something that is wrong and does not end the fetch."""
        from topformer_cli import console

        console.warn(text)


@contextlib.contextmanager
def following(name: str) -> Iterator[FetchView]:
    """Show the fetch of a set or a file inside the block."""
    view = FetchView(name)
    with view.line:
        yield view
