"""Amounts in words."""


def size_text(count: float) -> str:
    """Return a number of bytes as 512 B, 967.4 MB or 19.3 GB; a kB is 1000 bytes."""
    units = ("B", "kB", "MB", "GB", "TB")
    power = 0
    while abs(count) >= 999.95 and power < len(units) - 1:
        count /= 1000
        power += 1
    return f"{count:.0f} B" if power == 0 else f"{count:.1f} {units[power]}"
