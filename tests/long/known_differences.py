"""In what the server may differ from its OpenAPI document, as Schemathesis reads it; each with its reason.

All but the last two follow from one rule of the API: outcomes travel with HTTP 200 and are told apart by the body,
since its clients read them where HTTP errors never arrive. Schemathesis looks at the HTTP status alone. Each looks at
the body: only what was refused there is allowed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import requests
from schemathesis.core.failures import AcceptedNegativeData, Failure
from schemathesis.openapi.checks import (
    AllowHeaderMismatch,
    IgnoredAuth,
    MissingHeaderNotRejected,
    UnsupportedMethodResponse,
)

ASK_TO_LOG_IN = {"10022", "1004"}
_guarded: set[tuple[str, str]] = set()


@dataclass(frozen=True)
class Difference:
    name: str
    reason: str
    failures: tuple[type[Failure], ...]
    holds: Callable[[Any], bool]
    is_rare: bool = False


def known(failure: Failure, answer: Any) -> Difference | None:
    return next((one for one in KNOWN if isinstance(failure, one.failures) and one.holds(answer)), None)


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


KNOWN = [
    Difference(
        "refused with HTTP 200",
        "A bad parameter is an outcome like any other: `state` is false and `msg` names it.",
        (AcceptedNegativeData,),
        _is_refused,
    ),
    Difference(
        "sent to the login with HTTP 200",
        "Clients read `code` 10022 and 1004 where they read a success; after an HTTP 401 none would go to its login.",
        (IgnoredAuth,),
        _needs_a_token,
    ),
    Difference(
        "no token, sent to the login with HTTP 200",
        "The same: the only header that a call requires is the token's.",
        (MissingHeaderNotRejected,),
        _asks_to_log_in,
    ),
    Difference(
        "/verify takes any method",
        "The API document says so (`*`); OpenAPI would list the one call five times.",
        (UnsupportedMethodResponse, AllowHeaderMismatch),
        _is_of_any_method,
    ),
    Difference(
        "a form without fields",
        "A list cannot be said in a form: what Schemathesis sends for one holds no field, which is an empty form.",
        (AcceptedNegativeData,),
        _is_a_form_without_fields,
        is_rare=True,
    ),
]
