"""A prepared set behind a web server."""

from pathlib import Path

from tests.fakes.http_server import Page, Server


def publish(server: Server, folder: Path) -> str:
    """Serve a folder and return its address; what was served before is gone."""
    server.pages.clear()
    for path in folder.rglob("*"):
        if path.is_file():
            server.put(f"sets/tiny/{path.relative_to(folder)}", Page(path.read_bytes()))
    return f"{server.url}/sets/tiny"
