"""Schemathesis over our own OpenAPI document: every check it has, against a server that runs."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import requests
import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import AcceptedNegativeData
from schemathesis.engine import events, from_schema
from schemathesis.openapi.checks import (
    AllowHeaderMismatch,
    IgnoredAuth,
    MissingHeaderNotRejected,
    UnsupportedMethodResponse,
)

ASK_TO_LOG_IN = {"10022", "1004"}
_guarded: set[tuple[str, str]] = set()


def _body(answer: Any) -> dict[str, Any]:
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if answer.status_code == 200 and isinstance(body, dict) else {}


def _is_refused(answer: Any) -> bool:
    return _body(answer).get("state") is False


def _asks_to_log_in(answer: Any) -> bool:
    return _body(answer).get("code") in ASK_TO_LOG_IN


def _needs_a_token(answer: Any) -> bool:
    """Schemathesis shows what it was answered with the token: ask again with none and with a wrong one, once a call."""
    if _asks_to_log_in(answer):
        return True
    call = (answer.request.method, answer.request.url.partition("?")[0])
    if call not in _guarded and all(_asks_to_log_in(_asked_again(answer.request, token)) for token in ("", "wrong")):
        _guarded.add(call)
    return call in _guarded


def _asked_again(request: requests.PreparedRequest, token: str) -> requests.Response:
    request = request.copy()
    request.headers["authorization"] = token
    with requests.Session() as session:
        return session.send(request)


def _is_of_any_method(answer: Any) -> bool:
    return answer.request.url.endswith("/verify") and answer.status_code == 200


def _is_a_form_without_fields(answer: Any) -> bool:
    request = answer.request
    is_form = request.headers.get("Content-Type", "").startswith("multipart/form-data")
    return is_form and b"content-disposition" not in bytes(request.body or b"").lower()


# In what the server may differ from its document, as Schemathesis reads it, which looks at the HTTP status alone: our
# outcomes travel with HTTP 200, because its clients read them where HTTP errors never arrive, and are told apart by the
# body. Each looks at the body: only what was refused there is allowed.
KNOWN: dict[str, tuple[tuple[type[Exception], ...], Callable[[Any], bool]]] = {
    "refused with HTTP 200": ((AcceptedNegativeData,), _is_refused),
    # After an HTTP 401 none of the clients would go to its login.
    "sent to the login with HTTP 200": ((IgnoredAuth,), _needs_a_token),
    "no token, sent to the login with HTTP 200": ((MissingHeaderNotRejected,), _asks_to_log_in),
    # The API document says so (`*`); OpenAPI would list the one call five times.
    "/verify takes any method": ((UnsupportedMethodResponse, AllowHeaderMismatch), _is_of_any_method),
}
# A list cannot be said in a form: what Schemathesis sends for one holds no field, which is an empty form. It is rare.
EMPTY_FORM = "a form without fields"


def known(failure: Exception, answer: Any) -> str | None:
    """The name of the known difference that this failure is."""
    kinds = KNOWN | {EMPTY_FORM: ((AcceptedNegativeData,), _is_a_form_without_fields)}
    return next((name for name, (kind, holds) in kinds.items() if isinstance(failure, kind) and holds(answer)), None)


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
        difference = known(failure, response)
        if difference:
            report.known[difference] += 1
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
