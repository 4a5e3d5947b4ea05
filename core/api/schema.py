"""How drf-spectacular reads our endpoints: from what they declare (``core.api.docs.Doc``)."""

from collections.abc import Iterable
from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiExample, OpenApiRequest, OpenApiResponse
from rest_framework.serializers import FileField, Serializer

from core.api.access import Access
from core.api.docs import Doc
from core.errors import DomainError, LoginRequired, NotPermitted, TokenInvalid

_HTTP_NAMES = {
    200: "业务结果:看 `state` 和 `status`",
    400: "请求无法解析",
    429: "请求太频繁",
    502: "上游服务不可用",
    503: "服务暂时不可用",
    504: "上游服务超时",
}


class ContractSchema(AutoSchema):
    """Summary, tag, parameters and answers come from the endpoint and its viewset."""

    def get_summary(self) -> str | None:
        return getattr(self.view, "name", None)

    def get_description(self) -> str:  # type: ignore[override]
        access = getattr(self.view, "access", None)
        doc = self._doc
        return "\n\n".join(
            part for part in (f"权限:{access.value}" if access else "", doc.about if doc else "") if part
        )

    def get_tags(self) -> list[str]:
        return [getattr(self.view, "tag", "其他")]

    def get_operation_id(self) -> str:
        return f"{self.method.lower()}_{self.path.strip('/').replace('/', '_').replace('-', '_')}"

    def get_auth(self) -> list[dict[str, list[str]]]:
        auth = super().get_auth()  # it also registers the scheme
        return [{}] if getattr(self.view, "access", None) is Access.OPEN else [entry for entry in auth if entry]

    def get_override_parameters(self) -> list[Any]:
        params = self._doc and self._doc.params
        return [params] if params and self.method == "GET" else []

    def get_request_serializer(self) -> Any:
        """Answer the body by media type; inlined, as equally named serializers of two apps are not one component."""
        doc = self._doc
        if doc is None or doc.params is None or self.method == "GET":
            return {}
        params = doc.params()
        schema = self._map_serializer(params, "request")
        schema.pop("description", None)  # a docstring speaks to programmers
        body = OpenApiRequest(schema, examples=self._request_examples(doc))
        return dict.fromkeys(self._media_types(params), body)

    def get_response_serializers(self) -> Any:
        doc = self._doc
        if doc is None:
            return {200: OpenApiResponse(_ENVELOPE, description=_HTTP_NAMES[200])}
        by_http_status: dict[int, list[dict[str, Any]]] = {200: doc.successes}
        for error in self._failures(doc):
            by_http_status.setdefault(error.http_status, []).append(error.body())
        return {
            http_status: OpenApiResponse(
                _shape(bodies[0]) | _REQUIRED if http_status == 200 else _ENVELOPE,
                description=_HTTP_NAMES.get(http_status, "失败"),
                examples=_named(bodies),
            )
            for http_status, bodies in by_http_status.items()
        }

    @property
    def _doc(self) -> Doc | None:
        return getattr(self.view, "docs", None)

    def _failures(self, doc: Doc) -> Iterable[DomainError]:
        yield from (error() if isinstance(error, type) else error for error in doc.failures)
        access = getattr(self.view, "access", None)
        if access is not Access.OPEN:
            yield from (LoginRequired(), TokenInvalid())
        if access in {Access.ROOT, Access.ROWS}:
            yield NotPermitted()

    def _media_types(self, params: Serializer) -> list[str]:
        takes_file = any(isinstance(field, FileField) for field in params.fields.values())
        return ["multipart/form-data"] if takes_file else self.map_parsers()

    def _request_examples(self, doc: Doc) -> list[OpenApiExample]:
        return [OpenApiExample("示例", value=doc.send, request_only=True)] if doc.send else []


_ENVELOPE = {
    "type": "object",
    "properties": {"status": {"type": "integer"}, "state": {"type": "boolean"}, "msg": {"type": "string"}},
    "required": ["status", "state"],
}
_REQUIRED = {"required": ["status", "state"]}  # a failure has nothing else for certain


def _shape(value: Any) -> dict[str, Any]:
    """Read the schema of an answer off its example."""
    match value:
        case bool():
            return {"type": "boolean"}
        case int():
            return {"type": "integer"}
        case float():
            return {"type": "number"}
        case str():
            return {"type": "string"}
        case dict():
            return {"type": "object", "properties": {name: _shape(inner) for name, inner in value.items()}}
        case list():
            return {"type": "array", "items": _shape(value[0]) if value else {}}
    return {}


def _named(bodies: list[dict[str, Any]]) -> list[OpenApiExample]:
    # Named by what tells them apart for a reader; the number keeps equal ones from replacing each other.
    return [
        OpenApiExample(
            f"{number}",
            summary=f"{'成功' if body['state'] else '失败'} {body['status']} {body.get('msg', '')}".strip(),
            value=body,
            response_only=True,
        )
        for number, body in enumerate(bodies, 1)
    ]


def drop_aliases(endpoints: list[tuple[str, str, str, Any]]) -> list[tuple[str, str, str, Any]]:
    """Document a call under its documented path only."""
    return [
        entry
        for entry in endpoints
        if not hasattr(entry[3], "endpoint") or entry[0].rstrip("/") == _template(entry[3].endpoint.path)
    ]


def _template(path: str) -> str:
    return path.replace("<str:", "{").replace("<", "{").replace(">", "}")
