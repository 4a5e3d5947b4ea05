"""``GET /sandbox/tianqi/api?version=v61&appid=&appsecret=&city=``: always HTTP 200, as at the real provider."""

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.utils import timezone

from sandbox.faults import faults_on, provider_endpoint
from sandbox.keys import sandbox_values
from sandbox.models import FaultKind
from sandbox.weather.cities import UnknownCity, city_named
from sandbox.weather.climate import report

VERSION = "v61"
BAD_CALL = 100
QUOTA_USED = 101


@provider_endpoint(slow=FaultKind.WEATHER_SLOW, down=FaultKind.WEATHER_DOWN)
def tianqi(request: HttpRequest) -> HttpResponse:
    """Return the weather, or ``errcode`` and ``errmsg``."""
    faults = faults_on()
    if FaultKind.WEATHER_HTML in faults:
        return HttpResponse("<!DOCTYPE html><html><body><h1>系统维护中</h1></body></html>")
    if FaultKind.WEATHER_GARBAGE in faults:
        return HttpResponse(b'{"cityid":"101190101","date":\xff\xfe\x00', content_type="application/json")
    return JsonResponse(_body(request.GET, faults))


def _body(query: QueryDict, faults: dict[FaultKind, float]) -> dict[str, Any]:
    values = sandbox_values()
    if (query.get("appid"), query.get("appsecret")) != (values["WEATHER_APP_ID"], values["WEATHER_APP_SECRET"]):
        return _error(BAD_CALL, "appid或appsecret错误")
    if query.get("version") != VERSION:
        return _error(BAD_CALL, "version参数错误")
    if FaultKind.WEATHER_QUOTA in faults:
        return _error(QUOTA_USED, "今日调用次数已用完")
    try:
        weather = report(city_named(query.get("city", "")), timezone.localtime())
    except UnknownCity as error:
        return _error(BAD_CALL, str(error))
    return _spoil(weather, faults)


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
