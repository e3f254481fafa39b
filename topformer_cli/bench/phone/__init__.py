"""A phone behind adb: which one, what it tells of itself, and a measurement's place on it."""
