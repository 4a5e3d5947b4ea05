"""The base of every API view."""

from typing import Any

import orjson
from django.conf import settings
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from core.api.access import Access
from core.api.docs import Doc
from core.api.envelope import Envelope, ok
from core.api.hints import hint_for


class ApiViewSet(ViewSet):
    """A viewset whose actions are declared with ``core.api.routing.endpoint``."""

    access: Access | None = None  # None is refused to everybody; `endpoint` sets it
    paths: tuple[str, ...] = ()  # the documented path and its aliases
    is_reading: bool = False
    docs: Doc | None = None
    tag: str = "其他"

    @property
    def allowed_methods(self) -> list[str]:
        # REST framework looks for attributes named like methods, and an action may be called ``get``.
        return [*(method.upper() for method in self.action_map or ()), "OPTIONS"]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        # Refuse a wrong method before the login is checked: else a caller without a token would read 请登入.
        if self.action is None:
            self.http_method_not_allowed(request)
        if self.action == "metadata":  # REST framework's word for OPTIONS
            return  # it says no more than that refusal, and needs no login either
        super().initial(request, *args, **kwargs)

    def options(self, request: Any, *args: Any, **kwargs: Any) -> Response:
        # REST framework would describe the view, in English. The header Allow is the answer.
        return ok()

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        response.headers.setdefault("Cache-Control", "no-store")  # several GETs change data: never repeat from a cache
        if settings.HINTS and isinstance(response, Envelope) and (hint := hint_for(request, response.data)):
            response.content = orjson.dumps(response.data | {"hint": hint})
        return response
