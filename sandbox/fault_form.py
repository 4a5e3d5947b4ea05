"""The form that switches faults on and off."""

from collections.abc import Collection, Mapping

from django.http import QueryDict

from sandbox.faults import DEFAULT_SECONDS, MAX_VALUE
from sandbox.models import FaultKind


def fault_form(on: Mapping[FaultKind, float], kinds: Collection[FaultKind] = tuple(FaultKind)) -> dict[str, object]:
    """Return the context of ``sandbox/fault_form.html``; ``on`` holds the faults that are on, with their values."""
    rows = [
        {
            "kind": kind,
            "is_on": kind in on,
            "seconds": on.get(kind, DEFAULT_SECONDS.get(kind)),
            "timed": kind in DEFAULT_SECONDS,
        }
        for kind in kinds
    ]
    return {"faults": rows, "max_s": int(MAX_VALUE)}


def changes_of(query: QueryDict, kinds: Collection[FaultKind] = tuple(FaultKind)) -> dict[str, object]:
    """Read the form as it was sent. A value that is not a number means the default."""
    if "reset" in query:
        return {}
    on = query.getlist("on")
    return {kind: _seconds(query.get(f"seconds-{kind}", "")) or True for kind in kinds if kind in on}


def _seconds(raw: str) -> float:
    try:
        seconds = float(raw)
    except ValueError:
        return 0.0
    return seconds if 0 <= seconds <= MAX_VALUE else 0.0
