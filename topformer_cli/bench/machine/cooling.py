"""The pause between rounds: until the processor is about as cool as it was at the start."""

import time
from collections.abc import Sequence
from typing import Final

from topformer_cli.bench.machine.sensors import hottest
from topformer_cli.bench.protocol import Protocol
from topformer_cli.bench.station import Station

LOOK_EVERY_S: Final = 1.0


def cool_down(
    station: Station, paths: Sequence[str], start_celsius: float | None, protocol: Protocol
) -> tuple[float, bool | None]:
    """Wait for the hottest of these sensors; return the seconds waited, and whether it got there.

    start_celsius is the hottest before the first round. The second value is None, and nothing is
    waited for, where no temperature is known: a pause of some length would prove nothing.

    Raises:
        DeviceError: the link broke meanwhile.
    """
    began = time.monotonic()
    if start_celsius is None or not paths:
        return 0.0, None
    while True:
        now = hottest(station.read(paths))
        waited = time.monotonic() - began
        if now is None:
            return waited, None
        if now <= start_celsius + protocol.cool_margin_c:
            return waited, True
        left = protocol.cool_s - waited
        if left <= 0:
            return waited, False
        time.sleep(min(LOOK_EVERY_S, left))
