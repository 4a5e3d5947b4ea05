"""The base of every API view."""

from functools import cache
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from core.api.access import Access
from core.api.docs import Doc
from core.api.envelope import Envelope, ok


class ApiViewSet(ViewSet):
    """A viewset whose actions are declared with ``core.api.routing.endpoint``."""

    access: Access | None = None  # None is refused to everybody; `endpoint` sets it
    paths: tuple[str, ...] = ()  # the documented path and its aliases
    docs: Doc | None = None
    tag: str = "其他"

    @property
    def default_response_headers(self) -> dict[str, str]:
        return {"Allow": _allow(tuple(self.action_map or ()))}

    @property
    def allowed_methods(self) -> list[str]:
        # REST framework looks for attributes named like methods, and an action may be called ``get``.
        return _allow(tuple(self.action_map or ())).split(", ")

    def initialize_request(self, request: Any, *args: Any, **kwargs: Any) -> Request:
        # As REST framework does it, but with parts that are made once: they keep nothing of a request.
        parsers, authenticators, negotiator = _parts(
            tuple(self.parser_classes),
            tuple(self.authentication_classes),
            self.content_negotiation_class,  # type: ignore[arg-type]
        )
        context = {"view": self, "args": args, "kwargs": kwargs}
        method = request.method.lower()
        self.action = "options" if method == "options" else (self.action_map or {}).get(method)  # type: ignore[assignment]
        return Request(request, parsers, authenticators, negotiator, context)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        # Refuse a wrong method before the login is checked: else a caller without a token would read 请登入.
        if self.action is None:
            self.http_method_not_allowed(request)
        if self.action == "options":
            return  # it says no more than that refusal, and needs no login either
        # REST framework would also negotiate a format, a version and throttles, of which no call has any.
        self.perform_authentication(request)
        self.check_permissions(request)

    def options(self, request: Any, *args: Any, **kwargs: Any) -> Response:
        # REST framework would describe the view, in English. The header Allow is the answer.
        return ok()

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(response, Envelope):
            response.headers["Allow"] = self.headers["Allow"]
        else:
            response = super().finalize_response(request, response, *args, **kwargs)
        response.headers.setdefault("Cache-Control", "no-store")  # several GETs change data: never repeat from a cache
        return response


@cache
def _allow(methods: tuple[str, ...]) -> str:
    return ", ".join([*(method.upper() for method in methods), "OPTIONS"])


@cache
def _parts(parsers: tuple[Any, ...], authenticators: tuple[Any, ...], negotiator: Any) -> tuple[Any, Any, Any]:
    # By these classes and not by the view's: a call may name its own, as those do that read a body's bytes.
    return [parser() for parser in parsers], [made() for made in authenticators], negotiator()
