"""Keep what a function returned, as `functools.lru_cache` does, but up to a number of bytes."""

import functools
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Kept(Generic[Value]):
    """A function of hashable arguments that forgets what was not used for longest.

    most: bytes of all values together; size_of tells one's. What alone has more is not kept.
    """

    def __init__(
        self, function: Callable[..., Value], most: int, size_of: Callable[[Value], int]
    ) -> None:
        functools.update_wrapper(self, function)
        self.function, self.most, self.size_of = function, most, size_of
        self.bytes = 0
        self._values: OrderedDict[Hashable, Value] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, *arguments: Hashable) -> Value:
        """Return what the function returned for these arguments, or call it."""
        with self._lock:
            if arguments in self._values:
                self._values.move_to_end(arguments)
                return self._values[arguments]
        value = self.function(*arguments)
        self._keep(arguments, value)
        return value

    def cache_clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._values.clear()
            self.bytes = 0

    def _keep(self, arguments: Hashable, value: Value) -> None:
        size = self.size_of(value)
        with self._lock:
            if size > self.most or arguments in self._values:
                return
            self._values[arguments] = value
            self.bytes += size
            while self.bytes > self.most:
                _, oldest = self._values.popitem(last=False)
                self.bytes -= self.size_of(oldest)


def kept_by_bytes(
    most: int, size_of: Callable[[Value], int]
) -> Callable[[Callable[..., Value]], Kept[Value]]:
    """Return a decorator that makes a function `Kept`."""
    return lambda function: Kept(function, most, size_of)
