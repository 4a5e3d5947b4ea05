"""How a call is declared: at a method of a viewset, with who may call it and its documentation."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, ClassVar

import orjson
from django.conf import settings
from django.http import HttpResponse
from rest_framework.decorators import action
from rest_framework.viewsets import ViewSet

from core.api.access import Access
from core.api.envelope import Envelope, error_response, ok, translate
from core.api.hints import Case, hint_for
from core.api.once import answer_once
from core.api.params import Params
from core.errors import DomainError

Failure = DomainError | type[DomainError]
WATCH = "spms.watch"  # in META: whoever wants to see the call as the view has read it
ANY = ("GET", "POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True, eq=False)
class Doc:
    """Documentation of one call.

    :param ok: an example of the success answer, several if it has several shapes; without ``status``, that is 200.
    :param names: where `ok` has several shapes, the word for each that its type's name has.
    :param records: the type of a key of the answer: ``{"data": list[OrderJson]}``; ``NotRequired[...]`` for a key that
        `ok` does not show and only some answers have. See ``core.api.schema``.
    :param told_by: the key by whose value a client tells the shapes of `ok` apart.
    :param params: the input serializer: the query of a GET, the body of a POST. ``help_text`` describes a field.
    :param others: further input serializers, if the body of a POST may have several forms.
    :param query: the serializer of the query parameters of a POST.
    :param failures: error classes, or instances where the text differs. Leave out the refusals that follow from the
        call's access, and those of bad parameters (``Params.refusals``).
    :param send: example parameters for Swagger UI and the collection: a body, or the query of a GET.
    :param about: further text, Markdown.
    """

    ok: dict[str, Any] | Sequence[dict[str, Any]] = ()
    names: Sequence[str] = ("",)
    records: Mapping[str, Any] = field(default_factory=dict)
    told_by: str = ""
    params: type[Params] | None = None
    others: Sequence[type[Params]] = ()
    query: type[Params] | None = None
    failures: Sequence[Failure] = ()
    send: dict[str, Any] | None = None
    about: str = ""

    @property
    def refusals(self) -> list[DomainError]:
        own = self.params.refusals() if self.params else []
        return [*own, *(error() if isinstance(error, type) else error for error in self.failures)]

    @property
    def successes(self) -> list[dict[str, Any]]:
        examples = [self.ok] if isinstance(self.ok, dict) else self.ok
        return [{"status": 200, "state": True} | example for example in examples]


@dataclass(frozen=True)
class Endpoint:
    """Decorator of a viewset's method: it is the call ``path``.

    The role gate, the doctor, the back office and the documentation look at it as well.

    :param verbs: ``"GET"``, ``"POST"``, ``"GET POST"`` or ``"ANY"``.
    :param path: the documented path; an alias shares its view and its rights.
    :param access: who may call it; without one, no caller.
    :param docs: what Swagger UI shows; tests check real answers against it. A call without it is not for clients.
    :param by_rows: for a call that needs no row: what a role may do in addition if it has the path among its rows.
    :param is_once: it takes an ``Idempotency-Key``; its view does its work in ``core.api.once.done_once``.
    :param is_quick: it only reads, from PostgreSQL and Valkey, and waits neither for a lock nor for an upstream. Then
        ``config.asgi`` answers it in one of few threads, which do not get in each other's way.
    :param is_reading: it changes nothing that staff or other callers see, so it goes on during read-only hours.
    :param tag: its module in the documentation; ``CallTable`` takes it from the viewset.
    :param takes_files: the body may be as large as ``core.api.bodies.FILE_LIMIT``; ``CallTable`` sees whether a
        parameter is a file.
    """

    verbs: str
    path: str
    title: str
    access: Access | None = None
    _: KW_ONLY
    aliases: tuple[str, ...] = ()
    docs: Doc | None = None
    by_rows: str = ""
    is_once: bool = False
    is_quick: bool = False
    is_reading: bool = False
    tag: str = ""
    takes_files: bool = False
    # A template would call it to show its path.
    do_not_call_in_templates: ClassVar[bool] = True

    def __call__(self, view: Callable[..., Any]) -> Callable[..., Any]:
        methods: list[Any] = [method.lower() for method in self.methods]
        view = action(detail=False, methods=methods, url_path=self.path)(view)
        view.endpoint = self  # type: ignore[attr-defined]
        return view

    @property
    def methods(self) -> tuple[str, ...]:
        return ANY if self.verbs == "ANY" else tuple(self.verbs.split())

    @property
    def paths(self) -> tuple[str, ...]:
        return (self.path, *self.aliases)

    @property
    def row_title(self) -> str:
        """Return what a role gains by this path among its rows; "" if the call does not depend on rows."""
        return self.title if self.access is Access.ROWS else self.by_rows


class ApiViewSet(ViewSet):
    """A viewset whose calls are declared with :class:`Endpoint`."""

    endpoint = Endpoint("", "", "")  # of the present call; ``CallTable`` sets it, and without it no caller may
    tag: str = "其他"

    @property
    def allowed_methods(self) -> list[str]:
        # REST framework looks for attributes named like methods, and an action may be called ``get``.
        return [*(method.upper() for method in self.action_map or ()), "OPTIONS"]

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        """Check who calls, answer the call, and turn what it raises into an envelope.

        REST framework's own also chooses a format and a version and counts throttles, of which our calls have none.
        """
        call: Any = self.initialize_request(request)
        try:
            # Refuse a wrong method before the login is checked: else a caller without a token would read 请登入.
            if self.action is None:
                self.http_method_not_allowed(call)
            if self.action == "metadata":  # REST framework's word for OPTIONS: the header Allow is the answer
                response: HttpResponse = ok()
            else:
                self.perform_authentication(call)
                self.check_permissions(call)
                response = answer_once(call, self.endpoint, lambda: getattr(self, self.action)(call, **kwargs))
        except Exception as error:
            response = error_response(translate(error))
        response.headers["Allow"] = ", ".join(self.allowed_methods)
        response.headers.setdefault("Cache-Control", "no-store")  # several GETs change data: never repeat from a cache
        watch = request.META.get(WATCH)
        if (settings.HINTS or watch) and isinstance(response, Envelope):
            case = Case(call, self.endpoint, response.status_code, response.data)
            if settings.HINTS and (hint := hint_for(case)):
                response.data["hint"] = hint
                response.content = orjson.dumps(response.data)
            if watch:
                watch(case)
        # A view holds its own methods, a request itself: without this only the garbage collector would free them.
        vars(self).clear()
        call.parser_context.clear()
        return response
