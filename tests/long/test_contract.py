"""The OpenAPI document and the server agree, whatever is sent: every check of Schemathesis against a server that runs.

Without variables a short look with a fixed seed; ``CONTRACT_EXAMPLES=50 CONTRACT_SEED=7`` looks longer.
"""

import os

import pytest
import requests
import schemathesis
from django.core.management import call_command
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import AcceptedNegativeData
from schemathesis.engine import events, from_schema
from schemathesis.openapi.checks import (
    AllowHeaderMismatch,
    IgnoredAuth,
    MissingHeaderNotRejected,
    UnsupportedMethodResponse,
)

from accounts.models import User
from accounts.tokens import token_issue
from core.api.routing import endpoints
from tests.kit import free_ports
from tests.processes import web_processes

EXAMPLES, SEED = int(os.environ.get("CONTRACT_EXAMPLES", "0")), int(os.environ.get("CONTRACT_SEED", "1"))
pytestmark = pytest.mark.django_db(transaction=True)
ASK_TO_LOG_IN = {"10022", "1004"}
_guarded = set()


def _body(answer):
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if answer.status_code == 200 and isinstance(body, dict) else {}


def _is_refused(answer):
    return _body(answer).get("state") is False


def _asks_to_log_in(answer):
    return _body(answer).get("code") in ASK_TO_LOG_IN


def _needs_a_token(answer):
    """Schemathesis shows what it was answered with the token: ask again with none and with a wrong one, once a call."""
    if _asks_to_log_in(answer):
        return True
    call = (answer.request.method, answer.request.url.partition("?")[0])
    if call not in _guarded and all(_asks_to_log_in(_asked_again(answer.request, token)) for token in ("", "wrong")):
        _guarded.add(call)
    return call in _guarded


def _asked_again(request, token):
    request = request.copy()
    request.headers["authorization"] = token
    with requests.Session() as session:
        return session.send(request)


def _is_of_any_method(answer):
    return answer.request.url.endswith("/verify") and answer.status_code == 200


def _is_the_page_of_a_phone(answer):
    return answer.request.method in {"GET", "HEAD"} and "/attendance/sign" in answer.request.url


def _is_a_form_without_fields(answer):
    request = answer.request
    is_form = request.headers.get("Content-Type", "").startswith("multipart/form-data")
    return is_form and b"content-disposition" not in bytes(request.body or b"").lower()


# In what the server may differ from its document, as Schemathesis reads it, which looks at the HTTP status alone: our
# outcomes travel with HTTP 200, because its clients read them where HTTP errors never arrive, and are told apart by the
# body. Each looks at the body: only what was refused there is allowed.
KNOWN = [
    ((AcceptedNegativeData,), _is_refused),
    # After an HTTP 401 none of the clients would go to its login.
    ((IgnoredAuth,), _needs_a_token),
    ((MissingHeaderNotRejected,), _asks_to_log_in),
    # The API document says so (`*`); OpenAPI would list the one call five times.
    ((UnsupportedMethodResponse, AllowHeaderMismatch), _is_of_any_method),
    # What a phone opens that scans a code is the address of the call.
    ((UnsupportedMethodResponse, AllowHeaderMismatch), _is_the_page_of_a_phone),
    # A list cannot be said in a form: what Schemathesis sends for one holds no field, which is an empty form.
    ((AcceptedNegativeData,), _is_a_form_without_fields),
]


@pytest.fixture
def schema(settings, tmp_path):
    """Our document, and a server with the demo data, whose sandbox plays the upstreams."""
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    settings.PUBLIC_BASE_URL, settings.MEDIA_ROOT = url, str(tmp_path)
    call_command("seed_demo")
    root = User.objects.get(username="root")
    config = {
        "seed": SEED,
        "base-url": url,
        "continue-on-failure": True,
        "generation": {"max-examples": EXAMPLES or 3, "deterministic": True, "no-shrink": True},
        # Whether a token is needed hangs on the call alone: no need to ask at each edge.
        "phases": {"coverage": {"enabled": bool(EXAMPLES), "checks": {"ignored_auth": {"enabled": False}}}},
    }
    with web_processes([port], DJANGO_SETTINGS_MODULE="config.settings.test", PORT=str(port)):
        schema = schemathesis.openapi.from_url(f"{url}/schema/", config=SchemathesisConfig.from_dict(config))

        @schema.auth(refresh_interval=None)
        class Token:
            def get(self, case, context):
                return token_issue(root)  # a new one each time: signing out ends it

            def set(self, case, data, context):
                case.headers["authorization"] = data

        yield schema


def test_only_known_differences_are_left(schema):
    """The documented examples, random calls, and chains of calls; with CONTRACT_EXAMPLES every edge of the schema."""
    succeeded, differences = set(), {}

    @schema.hook
    def filter_failure(context, failure, case, response):
        return not any(isinstance(failure, kinds) and holds(response) for kinds, holds in KNOWN)

    @schema.hook
    def after_call(context, case, response):
        if b'"state":true' in response.content:
            succeeded.add(case.operation.path)

    for event in from_schema(schema).execute():
        match event:
            case events.ScenarioFinished(recorder=recorder):
                for check in (check for checks in recorder.checks.values() for check in checks):
                    if info := check.failure_info:
                        title = f"{recorder.label}: {check.name}: {info.failure.title}"
                        differences.setdefault(title, f"{info.failure.message}\n    {info.code_sample}")
            case events.NonFatalError():
                differences.setdefault(f"{event.label}: {type(event.value).__name__}", str(event.value))
            case events.FatalError():
                raise event.exception

    assert not differences, "\n".join(f"{title}\n    {text}" for title, text in differences.items())
    assert len(succeeded) > len(endpoints()) / 2
