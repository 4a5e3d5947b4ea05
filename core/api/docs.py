"""A call's documentation, declared next to the call. ``core.api.schema`` turns it into OpenAPI."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rest_framework.serializers import Serializer

from core.errors import DomainError

Failure = DomainError | type[DomainError]


@dataclass(frozen=True, eq=False)
class Doc:
    """Documentation of one call.

    :param ok: an example of the success answer, with ``status`` and ``state``; several if it has several shapes.
    :param names: where `ok` has several shapes, the word for each that its type's name has.
    :param records: the type of a key of the answer: ``{"data": list[OrderJson]}``; see ``core.api.schema``.
    :param raw: the schemas of answers that are no envelope, by HTTP status and media type.
    :param params: the input serializer: the query of a GET, the body of a POST. ``help_text`` describes a field.
    :param others: further input serializers, if the body of a POST may have several forms.
    :param query: the serializer of the query parameters of a POST.
    :param failures: error classes, or instances where the text differs. Leave out the refusals that follow from the
        call's access, and those of bad parameters.
    :param send: example parameters for Swagger UI and the collection: a body, or the query of a GET.
    :param about: further text, Markdown.
    """

    ok: dict[str, Any] | Sequence[dict[str, Any]] = ()
    names: Sequence[str] = ("",)
    records: Mapping[str, Any] = field(default_factory=dict)
    params: type[Serializer[Any]] | None = None
    others: Sequence[type[Serializer[Any]]] = ()
    query: type[Serializer[Any]] | None = None
    raw: Mapping[tuple[int, str], dict[str, Any]] = field(default_factory=dict)
    failures: Sequence[Failure] = ()
    send: dict[str, Any] | None = None
    about: str = ""

    @property
    def successes(self) -> list[dict[str, Any]]:
        return [self.ok] if isinstance(self.ok, dict) else list(self.ok)
