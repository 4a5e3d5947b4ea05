"""``GET /sandbox/tianqi/api?version=v61&appid=&appsecret=&city=``: always HTTP 200, as at the real provider."""

import hmac
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, QueryDict
from django.utils import timezone

from sandbox.endpoint import provider_endpoint
from sandbox.faults import faults_on
from sandbox.keys import sandbox_settings
from sandbox.models import FaultKind
from sandbox.weather.cities import City, UnknownCity, city_coded, city_named
from sandbox.weather.climate import report

VERSION = "v61"
BAD_CALL = 100
QUOTA_USED = 101
# Without a city the provider takes that of the caller's IP address, which is where the server stands.
SERVERS_CITY = "北京"


@provider_endpoint(slow=FaultKind.WEATHER_SLOW, down=FaultKind.WEATHER_DOWN)
def tianqi(request: HttpRequest) -> HttpResponse:
    """Return the weather, or ``errcode`` and ``errmsg``. With ``unescape=1`` Chinese is not escaped."""
    faults, query = faults_on(), request.GET
    if FaultKind.WEATHER_HTML in faults:
        return HttpResponse("<!DOCTYPE html><html><body><h1>系统维护中</h1></body></html>")
    if FaultKind.WEATHER_GARBAGE in faults:
        return HttpResponse(b'{"cityid":"101190101","date":\xff\xfe\x00', content_type="application/json")
    body = _body(query, faults)
    text = json.dumps(body, ensure_ascii=query.get("unescape") != "1")
    return HttpResponse(text, content_type="application/json; charset=utf-8")


def _body(query: QueryDict, faults: dict[FaultKind, float]) -> dict[str, Any]:
    if not _is_customer(query.get("appid", ""), query.get("appsecret", "")):
        return _error(BAD_CALL, "appid或appsecret错误")
    if query.get("version") != VERSION:
        return _error(BAD_CALL, "version参数错误")
    if FaultKind.WEATHER_QUOTA in faults:
        return _error(QUOTA_USED, "今日调用次数已用完")
    try:
        weather = report(_city(query), timezone.localtime())
    except UnknownCity as error:
        return _error(BAD_CALL, str(error))
    return _spoil(weather, faults)


def _is_customer(appid: str, secret: str) -> bool:
    known = _customer(Path(settings.STATE_DIR) / "sandbox")
    return hmac.compare_digest(f"{appid}\n{secret}".encode(errors="replace"), known)


@lru_cache(maxsize=4)
def _customer(folder: Path) -> bytes:
    values = sandbox_settings(folder)
    return f"{values['WEATHER_APP_ID']}\n{values['WEATHER_APP_SECRET']}".encode()


def _city(query: QueryDict) -> City:
    if code := query.get("cityid"):
        return city_coded(code)
    return city_named(query.get("city") or SERVERS_CITY)


def _error(code: int, text: str) -> dict[str, Any]:
    return {"errcode": code, "errmsg": text}


def _spoil(weather: dict[str, Any], faults: dict[FaultKind, float]) -> dict[str, Any]:
    """Return the fields with the faults that are on."""
    if FaultKind.WEATHER_ALARM_LIST in faults:
        weather["alarm"] = [weather["alarm"]] if weather["alarm"]["alarm_type"] else []
    if FaultKind.WEATHER_WRONG_TYPES in faults:
        weather |= {
            "tem": None,
            "tem1": 31.5,
            "humidity": {"value": 58},
            "date": 20250418,
            "aqi": "优",
            "week": ["星期五"],
        }
    return weather
