"""The OpenAPI document at ``/schema/``: drf-spectacular, taught what our calls declare (``core.api.endpoint.Doc``)."""

import json
import re
import types
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import (
    Annotated,
    Any,
    Literal,
    NotRequired,
    Required,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import conditional_page
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent
from drf_spectacular.renderers import OpenApiJsonRenderer
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiRequest, OpenApiResponse
from rest_framework.serializers import FileField

from core.api import once
from core.api.access import Access
from core.api.addresses import absolute_url
from core.api.endpoint import Doc
from core.api.envelope import error_response
from core.api.params import Params, Picture
from core.errors import (
    BodyTooLarge,
    DomainError,
    KeyInvalid,
    KeyReused,
    LoginRequired,
    NotPermitted,
    TokenInvalid,
    Unreadable,
    UnsupportedFormat,
    WrongMethod,
)

Schema = dict[str, Any]
_KEY = "可选。同一个 key 与同样的参数再发一次,不会再做一遍,返回第一次的结果(保留一天,响应头 Idempotent-Replayed: true)"
_HTTP_NAMES = {
    200: "业务结果:看 `state` 和 `status`",
    400: "请求无法解析",
    409: "Idempotency-Key 已用于另一个请求",
    413: "请求内容过大",
    415: "不支持的数据格式",
    429: "请求太频繁",
    502: "上游服务不可用",
    503: "服务暂时不可用",
    504: "上游服务超时",
}


class ContractSchema(AutoSchema):
    """Summary, tag, parameters and answers come from the endpoint and its viewset."""

    view: Any

    def get_summary(self) -> str:
        return self.view.endpoint.title

    def get_description(self) -> str:  # type: ignore[override]
        aliases = [_template(path) for path in self.view.endpoint.paths if _template(path) != self.path.rstrip("/")]
        parts = [
            f"权限:{self.view.endpoint.access.value}",
            self._doc.about,
            "也可以写作 " + "、".join(f"`{path}`" for path in aliases) if aliases else "",
        ]
        return "\n\n".join(part for part in parts if part)

    def get_tags(self) -> list[str]:
        return [self.view.endpoint.tag]

    def get_operation_id(self) -> str:
        return f"{self.method.lower()}_{'_'.join(re.findall(r'[A-Za-z0-9_]+', self.path))}"

    def get_auth(self) -> list[dict[str, list[str]]]:
        auth = super().get_auth()  # it also registers the scheme
        return [{}] if self.view.endpoint.access is Access.OPEN else [entry for entry in auth if entry]

    def get_override_parameters(self) -> list[Any]:
        doc = self._doc
        kind = doc.params if self.method == "GET" else doc.query
        text = {"type": "string", "pattern": f"^{once.KEY}$"}
        key = OpenApiParameter("Idempotency-Key", text, OpenApiParameter.HEADER, description=_KEY)
        if kind is None:
            return [key] if self.view.endpoint.is_once else []
        fields = self._map_serializer(kind(), "request")
        required_names = {*fields.get("required", []), *kind.required_in_docs}
        example = (doc.send if self.method == "GET" else None) or {}
        return [
            OpenApiParameter(
                name,
                type=schema,
                description=schema.pop("description", ""),
                required=name in required_names,
                examples=[OpenApiExample("示例", value=example[name])] if name in example else [],
            )
            for name, schema in fields["properties"].items()
        ]

    def _get_parameters(self) -> list[dict[str, Any]]:
        parameters: list[dict[str, Any]] = super()._get_parameters()
        for entry in parameters:
            if entry["in"] == "query" and not entry.get("required"):
                entry["allowEmptyValue"] = True  # a blank one counts as not given
        return parameters

    def get_request_serializer(self) -> Any:
        """Return the body by media type.

        The schema is written in place: as a component, equally named serializers of two apps would become one.
        """
        doc = self._doc
        if doc.params is None or self.method == "GET":
            return {}
        forms = [kind() for kind in (doc.params, *doc.others)]
        takes_file = any(isinstance(field, FileField) for field in forms[0].fields.values())
        bodies = {}
        for media_type in ["multipart/form-data"] if takes_file else self.map_parsers():
            schemas = [self._body(params, media_type) for params in forms]
            body = schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
            send = doc.send
            if send and media_type != "application/json":
                send = {name: _in_form(value, schemas[0]["properties"][name]["type"]) for name, value in send.items()}
            examples = [OpenApiExample("示例", value=send, request_only=True)] if send else []
            bodies[media_type] = OpenApiRequest(body, examples=examples)
        return bodies

    def _body(self, params: Params, media_type: str) -> Schema:
        schema = self._map_serializer(params, "request")
        schema.pop("description", None)  # the serializer's docstring, which is not for users of the API
        required_names = sorted({*schema.get("required", []), *params.required_in_docs})
        schema |= {"required": required_names} if required_names else {}
        for name, entry in schema["properties"].items():
            if media_type == "multipart/form-data" and isinstance(params.fields[name], (FileField, Picture)):
                entry["format"] = "binary"
            elif media_type == "application/json":
                entry = _as_json(params.fields[name], entry)
                schema["properties"][name] = entry if name in required_names else _or_null(entry)
        return schema

    def _get_request_body(self, direction: Any = "request") -> Any:
        body = super()._get_request_body(direction)
        schemas = [content["schema"] for content in (body or {}).get("content", {}).values()]
        if schemas and all(form.get("required") for schema in schemas for form in schema.get("anyOf", [schema])):
            body["required"] = True
        return body

    def get_response_serializers(self) -> Any:
        doc = self._doc
        if doc.raw:
            return {
                (status, media_type): OpenApiResponse(schema, description=_HTTP_NAMES.get(status, "失败"))
                for (status, media_type), schema in doc.raw.items()
            }
        by_http_status: dict[int, list[dict[str, Any]]] = {200: doc.successes}
        extra: dict[str, Any] = {}
        for error in self._failures(doc):
            by_http_status.setdefault(error.http_status, []).append(error.body())
            extra |= {key: value for key, value in error.extra.items() if key not in _FAILURE["properties"]}
        failure = self._component("Failure", _FAILURE)
        refusal = self._component(f"{self._name()}Failure", _failure_with(extra)) if extra else failure
        # Not oneOf: an answer may have the keys of two shapes, for example with and without a total.
        schemas = {200: {"anyOf": [*self._successes(doc), refusal]}}
        return {
            status: OpenApiResponse(
                schemas.get(status, failure), description=_HTTP_NAMES.get(status, "失败"), examples=_examples(bodies)
            )
            for status, bodies in sorted(by_http_status.items())
        }

    def _successes(self, doc: Doc) -> Iterator[Schema]:
        """Yield a component for each shape of success: ``OrderGetOrderAnswer``, ``OrderGetOrderListAnswer``."""
        shapes: list[Schema] = []
        for example in doc.successes:
            shape = self._success(doc, example)
            if shape not in shapes:
                shapes.append(shape)
        for word, shape in zip(doc.names, shapes, strict=True):
            yield self._component(f"{self._name()}{word}Answer", shape)

    def _name(self) -> str:
        """Return the call's name in those of its types: ``OrderGetOrder``."""
        words = re.findall(r"[A-Za-z0-9]+", re.sub(r"<[^>]*>", "", self.view.endpoint.path))
        return "".join(word[:1].upper() + word[1:] for word in words)

    def _success(self, doc: Doc, example: dict[str, Any]) -> Schema:
        properties = {
            key: schema_of(fitting(doc.records[key], value), self._refer) if key in doc.records else _shape(value)
            for key, value in example.items()
        }
        properties["state"] = {"type": "boolean", "enum": [True]}
        if doc.told_by:
            properties[doc.told_by] = {"type": "string", "enum": [example[doc.told_by]]}
        optional = {key: hint for key, hint in doc.records.items() if get_origin(hint) is NotRequired}
        more = {key: schema_of(hint, self._refer) for key, hint in optional.items()}
        if "total" in example:
            more["hint"] = _FAILURE["properties"]["hint"]  # `page` was sent without `count`
        return _object(properties | more, properties)

    def _refer(self, record: type) -> Schema:
        component = _component_of(record_name(record), {"type": "object"})
        if component not in self.registry:
            # Register it before its schema is written, because a record may hold itself: a menu entry, menu entries.
            self.registry.register(component)
            component.schema = record_schema(record, self._refer)
        return component.ref

    def _component(self, name: str, schema: Schema) -> Schema:
        component = _component_of(name, schema)
        self.registry.register_on_missing(component)
        return component.ref

    @property
    def _doc(self) -> Doc:
        doc: Doc = self.view.endpoint.docs
        return doc

    def _failures(self, doc: Doc) -> Iterable[DomainError]:
        yield from (error() if isinstance(error, type) else error for error in doc.failures)
        if self.view.endpoint.is_once:
            yield from (KeyInvalid(), KeyReused())
        if self.method != "GET":
            yield from (Unreadable(), BodyTooLarge(), UnsupportedFormat())
        if self.view.endpoint.access is not Access.OPEN:
            yield from (LoginRequired(), TokenInvalid())
        if self.view.endpoint.access in {Access.ROOT, Access.ROWS}:
            yield NotPermitted()


def _as_json(field: Any, schema: Schema) -> Schema:
    """Return the schema of a parameter in a JSON body, where a number may stand for a text and a text for a number.

    A field that takes further types declares them as ``in_json``.
    """
    about = {name: schema[name] for name in ("description", "default") if name in schema}
    if more := getattr(field, "in_json", None):
        return {**more, **about}
    other = {"string": "number", "integer": "string", "number": "string"}.get(schema.get("type", ""))
    if other is None or isinstance(field, Picture):
        return schema
    plain = {name: value for name, value in schema.items() if name not in about}
    return {"oneOf": [plain, {"type": other}]} | about


def _in_form(value: Any, kind: str) -> Any:
    """Return the example of a parameter as a form has it: a list as JSON in a text, else of the schema's type."""
    if kind == "integer":
        return int(value)
    return value if kind != "string" or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _component_of(name: str, schema: Schema) -> ResolvedComponent:
    return ResolvedComponent(name=name, type=ResolvedComponent.SCHEMA, object=name, schema=schema)


_FAILURE: Schema = {
    "type": "object",
    "properties": {
        "status": {"type": "integer"},
        "state": {"type": "boolean", "enum": [False]},
        "msg": {"type": "string", "description": "原因,可以直接显示给用户"},
        "code": {"type": "string", "description": "只在没有登入、没有权限和微信支付的错误中出现"},
        "solution": {"type": "string", "description": "微信支付的错误:怎么办"},
        "detail": {"type": "string", "description": "微信支付的错误:具体是什么"},
        "hint": {"type": "string", "description": "可能写错了什么,只在开发环境中出现"},
    },
    "required": ["msg", "state", "status"],
}


def _failure_with(extra: dict[str, Any]) -> Schema:
    """Return the schema of a failure that may have further keys."""
    return _FAILURE | {"properties": _FAILURE["properties"] | _shape(extra)["properties"]}


def _object(properties: Schema, required_names: Iterable[str]) -> Schema:
    names = sorted(required_names)  # OpenAPI 3.0 allows no empty list
    return {"type": "object", "properties": properties} | ({"required": names} if names else {})


def _shape(value: Any) -> Schema:
    """Derive a schema from an example."""
    if isinstance(value, dict):
        properties = {name: _shape(inner) for name, inner in value.items()}
        return _object(properties, properties)
    if isinstance(value, list):
        return {"type": "array", "items": _shape(value[0]) if value else {}}
    return {} if value is None else schema_of(type(value), refer=lambda _: {})


def _examples(bodies: list[dict[str, Any]]) -> list[OpenApiExample]:
    """The summary is for people; the names are numbers, so that equal summaries do not replace each other."""
    examples = []
    for number, body in enumerate(bodies, 1):
        label = f"成功 {body.get('msg', '')}".strip() if body["state"] else f"失败 {body['status']} {body['msg']}"
        examples.append(OpenApiExample(str(number), summary=label, value=body, response_only=True))
    return examples


# --- The records of answers ---
# ``OrderJson``, a ``TypedDict``, becomes the component ``Order``. It stands beside the code that builds the record:
# mypy checks that code against it, and the tests check every real answer against it.
_PLAIN: dict[Any, Schema] = {Any: {}} | {
    kind: {"type": name} for kind, name in ((str, "string"), (int, "integer"), (float, "number"), (bool, "boolean"))
}


def schema_of(hint: Any, refer: Callable[[type], Schema]) -> Schema:
    """Write a type as an OpenAPI 3.0 schema.

    :param refer: returns the reference (``$ref``) to the component of a ``TypedDict``.
    :raises TypeError: JSON has no such type.
    """
    if is_typeddict(hint):
        return refer(hint)
    if hint in _PLAIN:
        return _PLAIN[hint]
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return schema_of(inner[0], refer) | {"description": inner[1]}
    if origin in (NotRequired, Required):
        return schema_of(inner[0], refer)
    if origin is Literal:
        return _PLAIN[type(inner[0])] | {"enum": list(inner)}
    if origin is list:
        return {"type": "array", "items": schema_of(inner[0], refer)}
    if origin is dict:
        return {"type": "object", "additionalProperties": schema_of(inner[1], refer)}
    if origin in (Union, types.UnionType):
        return _either(inner, refer)
    raise TypeError(f"{hint} has no place in an answer")


def record_schema(record: type, refer: Callable[[type], Schema]) -> Schema:
    """Write a ``TypedDict`` as the schema of its component."""
    hints = get_type_hints(record, include_extras=True)
    properties = {name: schema_of(hint, refer) for name, hint in hints.items()}
    return _object(properties, record.__required_keys__)  # type: ignore[attr-defined]


def record_name(record: type) -> str:
    """Return the component's name: ``Order`` for ``OrderJson``."""
    return record.__name__.removesuffix("Json")


def fitting(hint: Any, value: Any) -> Any:
    """Return the member of a union "one record or a list of them" that fits ``value``; any other hint unchanged."""
    if get_origin(hint) not in (Union, types.UnionType):
        return hint
    return next((inner for inner in get_args(hint) if (get_origin(inner) is list) is isinstance(value, list)), hint)


def _either(hints: tuple[Any, ...], refer: Callable[[type], Schema]) -> Schema:
    real = [hint for hint in hints if hint is not type(None)]
    # JSON has one type of number: a price is 9 in one record and 9.9 in the next.
    if set(real) == {int, float}:
        real = [float]
    schemas = [schema_of(hint, refer) for hint in real]
    schema = schemas[0] if len(schemas) == 1 else {"oneOf": schemas}
    if len(real) == len(hints):
        return schema
    return _or_null(schema)


def _or_null(schema: Schema) -> Schema:
    """Return a schema that allows null as well. OpenAPI 3.0 knows ``nullable`` only beside a type."""
    if "$ref" in schema:
        return {"type": "object", "nullable": True, "allOf": [schema]}
    for key in ("oneOf", "anyOf"):
        if key in schema:
            first, *rest = schema[key]
            return schema | {key: [_or_null(first), *rest]}
    return schema | {"nullable": True} if "type" in schema else schema


# --- The document ---
def drop_aliases(endpoints: list[tuple[str, str, str, Any]]) -> list[tuple[str, str, str, Any]]:
    """Leave out aliases, and all but GET and POST of a call that takes any method: each call is documented once."""
    entries = []
    for entry in endpoints:
        path, _, method, view = entry
        call = getattr(view, "endpoint", None)
        if call is None or (
            path.rstrip("/") == _template(call.path) and (len(call.methods) <= 2 or method in ("GET", "POST"))
        ):
            entries.append(entry)
    place = {path: number for number, path in enumerate(dict.fromkeys(entry[0] for entry in entries))}
    return sorted(entries, key=lambda entry: (place[entry[0]], entry[2]))  # REST framework keeps methods in a set


def _template(path: str) -> str:
    return path.replace("<str:", "{").replace("<", "{").replace(">", "}")


@cache  # it takes 0.1 s
def _document() -> bytes:
    document = SchemaGenerator().get_schema(request=None, public=True)
    return bytes(OpenApiJsonRenderer().render(document, renderer_context={}))


def document(base: str) -> dict[str, Any]:
    """Return the document as a reader at this address gets it."""
    content: dict[str, Any] = json.loads(_document().replace(b"BASE_URL", base.encode()))
    return content


@conditional_page
def schema(request: HttpRequest) -> HttpResponse:
    if request.method not in {"GET", "HEAD"}:
        return error_response(WrongMethod(headers={"Allow": "GET, HEAD"}))
    # The examples of the description name the address by which the reader came.
    body = _document().replace(b"BASE_URL", absolute_url(request, "").encode())
    # With no-cache a browser asks each time whether its copy is still current, so an upgrade shows at once.
    return HttpResponse(body, content_type=OpenApiJsonRenderer.media_type, headers={"Cache-Control": "no-cache"})
