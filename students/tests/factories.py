"""Students for tests: everything has a default, what a test is about is named."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from importlib import import_module
from typing import Any

import pytest
from django.db import connection

from core.errors import DomainError
from students.columns import BY_WIRE
from students.models import Student

FIELDS = {
    "class": "H51901",
    "name": "谭鹏",
    "age": "21",
    "city": "重庆",
    "degree": "专科",
    "productUrl": "地址",
    "description": "O(∩_∩)O哈哈~",
}
"""What a client posts to add a student."""


def student(**fields: Any) -> Student:
    """A student that is not saved yet."""
    defaults: dict[str, Any] = {BY_WIRE[wire].field: value for wire, value in FIELDS.items()}
    return Student(**defaults | {"age": 21} | fields)


def students(*names: str, **fields: Any) -> list[Student]:
    """Save one student per name, in one statement."""
    return Student.objects.bulk_create([student(name=name, **fields) for name in names])


def meanwhile(monkeypatch: pytest.MonkeyPatch, name: str, work: Callable[[], Any]) -> Callable[[], Any]:
    """Start ``work`` on another connection when the function ``name`` is first called, and give it half a second.

    Where the caller of that function has locked the rows, ``work`` goes on after its commit; else it comes first. Call
    what this returns for the result of ``work``, or its refusal.
    """
    module, _, attribute = name.rpartition(".")
    real = getattr(import_module(module), attribute)
    started: list[Future[Any]] = []

    def run() -> Any:
        try:
            return work()
        except DomainError as refusal:
            return refusal
        finally:
            connection.close()

    def interrupted(*args: Any, **kwargs: Any) -> Any:
        monkeypatch.setattr(name, real)
        started.append(ThreadPoolExecutor(1).submit(run))
        wait(started, 0.5)
        return real(*args, **kwargs)

    monkeypatch.setattr(name, interrupted)
    return lambda: started[0].result(10)
