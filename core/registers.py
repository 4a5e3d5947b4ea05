"""How a lower app calls a higher one that it must not import: the higher app registers what is to be called.

It does so in its ``AppConfig.ready``.
"""

from typing import Generic, TypeVar

T = TypeVar("T")


class Registers(dict[str, T]):
    """Holds what any number of higher apps register, each under a name of its own, in the order of their start."""


class Register(Generic[T]):
    """Holds what one higher app registers: a function, or several as one object."""

    def __init__(self, what: str) -> None:
        self.what = what
        self._value: T | None = None

    def set(self, value: T) -> None:
        self._value = value

    def __call__(self) -> T:
        """Return what is registered.

        :raises RuntimeError: no app has registered anything.
        """
        if self._value is None:
            raise RuntimeError(f"no app has registered {self.what}")
        return self._value
