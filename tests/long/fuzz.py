"""Schemathesis over our own OpenAPI document: every check it has, against a server that runs."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema

from tests.long import known_differences


@dataclass
class Report:
    """What was sent, what of it differs as is known, and what is left."""

    sent: Counter[str] = field(default_factory=Counter)  # by phase
    known: Counter[str] = field(default_factory=Counter)
    succeeded: set[str] = field(default_factory=set)  # paths that answered a success
    left: dict[str, str] = field(default_factory=dict)  # by call and kind, the first with its request

    def __str__(self) -> str:
        return "\n".join(f"{title}\n    {text}" for title, text in self.left.items())


def fuzz(base_url: str, token: Callable[[], str], *, examples: int, edges: bool, seed: int) -> Report:
    """Try every call: the documented examples, ``examples`` random ones, and chains of calls.

    :param token: answers a token that is good for one request: signing out ends it.
    :param edges: also every edge of the schema, some 2,500 requests.
    """
    config = {
        "seed": seed,
        "base-url": base_url,
        "continue-on-failure": True,
        "generation": {"max-examples": examples, "deterministic": True, "no-shrink": True},
        # Whether a token is needed hangs on the call alone: no need to ask at each edge.
        "phases": {"coverage": {"enabled": edges, "checks": {"ignored_auth": {"enabled": False}}}},
    }
    schema = schemathesis.openapi.from_url(f"{base_url}/schema/", config=SchemathesisConfig.from_dict(config))
    report = Report()

    @schema.auth(refresh_interval=None)
    class Token:
        def get(self, case: Any, context: Any) -> str:
            return token()

        def set(self, case: Any, data: str, context: Any) -> None:
            case.headers["authorization"] = data

    @schema.hook
    def filter_failure(context: Any, failure: Any, case: Any, response: Any) -> bool:
        difference = known_differences.known(failure, response)
        if difference:
            report.known[difference.name] += 1
        return difference is None

    @schema.hook
    def after_call(context: Any, case: Any, response: Any) -> None:
        if b'"state":true' in response.content:
            report.succeeded.add(case.operation.path)

    for event in from_schema(schema).execute():
        _note(report, event)
    return report


def _note(report: Report, event: Any) -> None:
    match event:
        case events.ScenarioFinished():
            report.sent[event.phase.value] += len(event.recorder.interactions)
            for kind, text in _failures(event.recorder):
                report.left.setdefault(f"{event.recorder.label}: {kind}", text)
        case events.NonFatalError():
            report.left.setdefault(f"{event.label}: {type(event.value).__name__}", str(event.value))
        case events.FatalError():
            raise event.exception


def _failures(recorder: Any) -> Iterator[tuple[str, str]]:
    for checks in recorder.checks.values():
        for check in checks:
            if info := check.failure_info:
                yield f"{check.name}: {info.failure.title}", f"{info.failure.message}\n    {info.code_sample}"
