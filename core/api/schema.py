"""The OpenAPI 3.0 document at ``/schema/``, written from what the calls declare (``core.api.endpoint.Doc``)."""

import json
import re
import types
from collections.abc import Iterable, Iterator
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

import orjson
from django.conf import settings
from django.core.validators import RegexValidator
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import conditional_page
from rest_framework.fields import empty
from rest_framework.serializers import ChoiceField, FileField, IntegerField

from core.api import once
from core.api.access import Access
from core.api.endpoint import Doc, Endpoint
from core.api.envelope import error_response
from core.api.params import Params, Picture
from core.api.request import absolute_url
from core.api.routing import endpoints
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
JSON, FORM, MULTIPART = "application/json", "application/x-www-form-urlencoded", "multipart/form-data"
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
_TOKEN = {"type": "apiKey", "in": "header", "name": "authorization", "description": "登入后返回的 token,原样填写"}
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


# --- The document ---
@conditional_page
def schema(request: HttpRequest) -> HttpResponse:
    if request.method not in {"GET", "HEAD"}:
        return error_response(WrongMethod(headers={"Allow": "GET, HEAD"}))
    # The examples of the description name the address by which the reader came.
    body = _document().replace(b"BASE_URL", absolute_url(request, "").encode())
    # With no-cache a browser asks each time whether its copy is still current, so an upgrade shows at once.
    headers = {"Cache-Control": "no-cache"}
    return HttpResponse(body, content_type="application/vnd.oai.openapi+json", headers=headers)


def document(base: str) -> Schema:
    """Return the document as a reader at this address gets it."""
    content: Schema = json.loads(_document().replace(b"BASE_URL", base.encode()))
    return content


@cache  # it takes 0.1 s
def _document() -> bytes:
    components: Schema = {"Failure": _FAILURE}
    paths: Schema = {}
    for call in endpoints():
        if doc := call.docs:
            methods = [method for method in ("GET", "POST") if method in call.methods]  # of any method these two
            paths[_template(call.path)] = {one.lower(): _operation(call, doc, one, components) for one in methods}
    return orjson.dumps(
        {
            "openapi": "3.0.3",
            "info": {
                "title": "学员项目管理系统 API",
                "version": settings.VERSION,
                "description": settings.API_DESCRIPTION,
            },
            "servers": [{"url": settings.PUBLIC_BASE_URL if settings.PUBLIC_BASE_URL_IS_SET else "/"}],
            "tags": [{"name": name} for name in settings.API_MODULES],
            "paths": paths,
            "components": {"schemas": components, "securitySchemes": {"token": _TOKEN}},
        }
    )


def _template(path: str) -> str:
    return re.sub(r"<str:(\w+)>", r"{\1}", path)


# --- One call ---
def _operation(call: Endpoint, doc: Doc, method: str, components: Schema) -> Schema:
    path = _template(call.path)
    about = [f"权限:{call.access.value}" if call.access else "", doc.about]
    if call.aliases:
        about.append("也可以写作 " + "、".join(f"`{_template(alias)}`" for alias in call.aliases))
    body = _body(doc) if method != "GET" and doc.params else None
    return {
        "operationId": f"{method.lower()}_{'_'.join(re.findall('[A-Za-z0-9_]+', path))}",
        "summary": call.title,
        "description": "\n\n".join(part for part in about if part),
        "tags": [call.tag],
        "security": [{} if call.access is Access.OPEN else {"token": []}],
        "parameters": list(_parameters(call, doc, method)),
        **({"requestBody": body} if body else {}),
        "responses": _answers(call, doc, method, components),
    }


def _parameters(call: Endpoint, doc: Doc, method: str) -> Iterator[Schema]:
    for name in re.findall(r"<str:(\w+)>", call.path):
        yield {"in": "path", "name": name, "schema": {"type": "string"}, "required": True}
    kind, examples = (doc.params, doc.send or {}) if method == "GET" else (doc.query, {})
    required_names = _required(kind) if kind else set()
    for name, field in kind().fields.items() if kind else ():
        text = _in_form(field)
        entry = {"in": "query", "name": name, "description": text.pop("description", ""), "schema": text}
        # A blank one counts as not given.
        entry |= {"required": True} if name in required_names else {"allowEmptyValue": True}
        yield entry | ({"examples": {"示例": {"value": examples[name]}}} if name in examples else {})
    if call.is_once:
        key = {"type": "string", "pattern": f"^{once.KEY}$"}
        yield {"in": "header", "name": "Idempotency-Key", "description": _KEY, "schema": key}


def _body(doc: Doc) -> Schema:
    """Return the body by media type, each in as many forms as it may have."""
    forms = [kind for kind in (doc.params, *doc.others) if kind]
    takes_file = any(isinstance(field, FileField) for field in forms[0]().fields.values())
    content = {}
    for media_type in (MULTIPART,) if takes_file else (JSON, FORM, MULTIPART):
        schemas = [_form(kind, media_type) for kind in forms]
        content[media_type] = {"schema": schemas[0] if len(schemas) == 1 else {"anyOf": schemas}}
        if doc.send and media_type == JSON:
            content[media_type]["examples"] = {"示例": {"value": doc.send}}
    return {"content": content} | ({"required": True} if all(map(_required, forms)) else {})


def _form(kind: type[Params], media_type: str) -> Schema:
    properties, required_names = {}, _required(kind)
    for name, field in kind().fields.items():
        properties[name] = _in_form(field)
        if media_type == JSON:
            properties[name] = _in_json(field, properties[name], is_required=name in required_names)
        elif media_type == MULTIPART and isinstance(field, Picture):
            properties[name]["format"] = "binary"
    return _object(properties, required_names)


def _required(kind: type[Params]) -> set[str]:
    return {*kind.required_in_docs, *(name for name, field in kind().fields.items() if field.required)}


def _in_form(field: Any) -> Schema:
    """Return the schema of a parameter in a query or a form. A field of a kind of its own has it as ``in_form``."""
    own: Schema = {"type": "string"}
    if hasattr(field, "in_form"):
        own = {**field.in_form}
    elif isinstance(field, ChoiceField):
        own["enum"] = list(field.choices)
    elif isinstance(field, FileField):
        own["format"] = "binary"
    elif isinstance(field, IntegerField):
        own = {"type": "integer", "minimum": field.min_value, "maximum": field.max_value}
    else:
        own["maxLength"] = getattr(field, "max_length", None)
        for rule in field.validators:
            if isinstance(rule, RegexValidator) and isinstance(rule.regex, re.Pattern):
                own["pattern"] = rule.regex.pattern.replace(r"\A", "^").replace(r"\Z", "$")
    has_default = field.default is not empty and not callable(field.default)
    own |= {"default": field.default if has_default else None, "description": field.help_text}
    return {name: value for name, value in own.items() if value is not None}


def _in_json(field: Any, text: Schema, *, is_required: bool) -> Schema:
    """Return the schema of a parameter in a JSON body, where a number may stand for a text and a text for a number.

    A field that takes further types has them as ``in_json``.
    """
    about = {name: text.pop(name) for name in ("default", "description") if name in text}
    other = {"string": "number", "integer": "string", "number": "string"}.get(text.get("type", ""))
    if hasattr(field, "in_json"):
        text = field.in_json
    elif other and not isinstance(field, Picture):
        text = {"oneOf": [text, {"type": other}]}
    return (text if is_required else _or_null(text)) | about


# --- What it answers ---
def _answers(call: Endpoint, doc: Doc, method: str, components: Schema) -> Schema:
    examples = {200: doc.successes}
    more_keys: Schema = {}
    for error in _failures(call, doc, method):
        examples.setdefault(error.http_status, []).append(error.body())
        more_keys |= {key: value for key, value in error.extra.items() if key not in _FAILURE["properties"]}
    name = "".join(word[:1].upper() + word[1:] for word in re.findall(r"[A-Za-z0-9]+", call.path.partition("<")[0]))
    failure = refusal = _ref("Failure")
    if more_keys:
        components[f"{name}Failure"] = _FAILURE | {
            "properties": _FAILURE["properties"] | _shape(more_keys)["properties"]
        }
        refusal = _ref(f"{name}Failure")
    successes = [_ref(f"{name}{word}Answer") for word in doc.names]
    shapes = [_success(doc, example, components) for example in doc.successes]
    shapes = [shape for at, shape in enumerate(shapes) if shape not in shapes[:at]]
    components.update(zip((f"{name}{word}Answer" for word in doc.names), shapes, strict=True))
    # Not oneOf: an answer may have the keys of two shapes, for example with and without a total.
    return {
        str(status): {
            "description": _HTTP_NAMES.get(status, "失败"),
            "content": {
                JSON: {
                    "schema": {"anyOf": [*successes, refusal]} if status == 200 else failure,
                    "examples": {str(number): _example(body) for number, body in enumerate(bodies, 1)},
                }
            },
        }
        for status, bodies in sorted(examples.items())
    }


def _failures(call: Endpoint, doc: Doc, method: str) -> Iterator[DomainError]:
    yield from doc.refusals
    if call.is_once:
        yield from (KeyInvalid(), KeyReused())
    if method != "GET":
        yield from (Unreadable(), BodyTooLarge(), UnsupportedFormat())
    if call.access is not Access.OPEN:
        yield from (LoginRequired(), TokenInvalid())
    if call.access in {Access.ROOT, Access.ROWS}:
        yield NotPermitted()


def _success(doc: Doc, example: dict[str, Any], components: Schema) -> Schema:
    properties = {
        key: schema_of(_fitting(doc.records[key], value), components) if key in doc.records else _shape(value)
        for key, value in example.items()
    }
    properties["state"] = {"type": "boolean", "enum": [True]}
    if doc.told_by:
        properties[doc.told_by] = {"type": "string", "enum": [example[doc.told_by]]}
    more = {key: schema_of(hint, components) for key, hint in doc.records.items() if get_origin(hint) is NotRequired}
    if "total" in example:
        more["hint"] = _FAILURE["properties"]["hint"]  # `page` was sent without `count`
    return _object(properties | more, properties)


def _example(body: dict[str, Any]) -> Schema:
    summary = f"成功 {body.get('msg', '')}".strip() if body["state"] else f"失败 {body['status']} {body['msg']}"
    return {"value": body, "summary": summary}


def _shape(value: Any) -> Schema:
    """Derive a schema from an example."""
    if isinstance(value, dict):
        properties = {name: _shape(inner) for name, inner in value.items()}
        return _object(properties, properties)
    if isinstance(value, list):
        return {"type": "array", "items": _shape(value[0]) if value else {}}
    return {} if value is None else _PLAIN[type(value)]


# --- The records of answers ---
# ``OrderJson``, a ``TypedDict``, becomes the component ``Order``. It stands beside the code that builds the record:
# mypy checks that code against it, and the tests check every real answer against it.
_PLAIN: dict[Any, Schema] = {
    Any: {},
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
}


def schema_of(hint: Any, components: Schema) -> Schema:
    """Write a type as a schema, in which each ``TypedDict`` is a reference to one of ``components``: add it there.

    :raises TypeError: JSON has no such type.
    """
    if is_typeddict(hint):
        name = hint.__name__.removesuffix("Json")
        if name not in components:
            components[name] = {}  # before its fields are written, because a record may hold itself: a menu, menus
            fields = get_type_hints(hint, include_extras=True)
            properties = {key: schema_of(field, components) for key, field in fields.items()}
            components[name] = _object(properties, hint.__required_keys__)
        return _ref(name)
    if hint in _PLAIN:
        return _PLAIN[hint]
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return schema_of(inner[0], components) | {"description": inner[1]}
    if origin in (NotRequired, Required):
        return schema_of(inner[0], components)
    if origin is Literal:
        return _PLAIN[type(inner[0])] | {"enum": list(inner)}
    if origin is list:
        return {"type": "array", "items": schema_of(inner[0], components)}
    if origin is dict:
        return {"type": "object", "additionalProperties": schema_of(inner[1], components)}
    if origin in (Union, types.UnionType):
        real = [one for one in inner if one is not type(None)]
        # JSON has one type of number: a price is 9 in one record and 9.9 in the next.
        schemas = [schema_of(one, components) for one in ([float] if set(real) == {int, float} else real)]
        schema = schemas[0] if len(schemas) == 1 else {"oneOf": schemas}
        return schema if real == list(inner) else _or_null(schema)
    raise TypeError(f"{hint} has no place in an answer")


def _fitting(hint: Any, value: Any) -> Any:
    """Return the member of a union "one record or a list of them" that fits ``value``; any other hint unchanged."""
    if get_origin(hint) not in (Union, types.UnionType):
        return hint
    return next((inner for inner in get_args(hint) if (get_origin(inner) is list) is isinstance(value, list)), hint)


def _or_null(schema: Schema) -> Schema:
    """Return a schema that allows null as well. OpenAPI 3.0 knows ``nullable`` only beside a type."""
    if "$ref" in schema:
        return {"type": "object", "nullable": True, "allOf": [schema]}
    for key in ("oneOf", "anyOf"):
        if key in schema:
            first, *rest = schema[key]
            return schema | {key: [_or_null(first), *rest]}
    return schema | {"nullable": True} if "type" in schema else schema


def _object(properties: Schema, required_names: Iterable[str]) -> Schema:
    names = sorted(required_names)  # OpenAPI 3.0 allows no empty list
    return {"type": "object", "properties": properties} | ({"required": names} if names else {})


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}
