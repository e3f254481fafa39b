"""What the adb server itself tells."""

import socket
from typing import Final

from adbutils import AdbClient

from topformer_cli.bench.adb.failures import named_failures
from topformer_cli.bench.adb.wire import Deadline, Link, Wire

ANSWER_S: Final = 5.0


def server_answers(link: Link) -> bool:
    """Say whether there is a server, without starting one."""
    try:
        socket.create_connection(link.server, timeout=ANSWER_S).close()
    except OSError:
        return False
    return True


def features(link: Link, deadline_s: float = ANSWER_S) -> frozenset[str]:
    """Return what the phone's adb daemon can do."""
    text = _ask(link, f"host-serial:{link.serial}:features", deadline_s)
    return frozenset(text.split(","))


def listing(link: Link) -> str:
    """Return the line of `adb devices -l` for the phone, empty when it is not there."""
    lines = _ask(link, "host:devices-l", ANSWER_S).splitlines()
    return next((line for line in lines if line.split()[:1] == [link.serial]), "")


def server_version(link: Link) -> int:
    """Return the protocol version of the server, such as 41."""
    return int(_ask(link, "host:version", ANSWER_S), 16)


def connect(client: AdbClient, address: str, timeout_s: float) -> str:
    """Connect to a phone in the network; return what adb says.

    A connection that is offline is ended first: adb calls it connected, and tries again only
    after ten seconds.

    Raises:
        AdbError: adb's own errors, such as AdbTimeout.
    """
    offline = [one for one in client.list() if one.serial == address and one.state == "offline"]
    if offline:
        client.disconnect(address)
    return str(client.connect(address, timeout=timeout_s))


def _ask(link: Link, service: str, deadline_s: float) -> str:
    with named_failures(link.serial, deadline_s):
        wire = Wire(link, (service,), Deadline(deadline_s))
        try:
            return wire.block()
        finally:
            wire.close()
