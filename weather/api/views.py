"""The weather calls."""

from typing import Any

from rest_framework.request import Request

from accounts.authentication import CallerRequest
from core import times
from core.api.access import Access
from core.api.endpoint import ApiViewSet, Endpoint
from core.api.envelope import Envelope, ok
from core.api.params import page_of
from core.api.request import caller_key
from weather.api import docs
from weather.api.params import AccountParams, WeatherParams
from weather.api.rows import weather_row
from weather.errors import WeatherFault
from weather.gateway import Credentials
from weather.models import WeatherRecord
from weather.selectors import history
from weather.services import account_change, weather_newest, weather_query

FOUND = "获取成功"


class WeatherViewSet(ApiViewSet):
    tag = "天气模块"

    @Endpoint("GET", "/weather/getWeather", "获取天气", Access.OPEN, docs=docs.GET_WEATHER)
    def get_weather(self, request: Request) -> Envelope:
        params = WeatherParams.read(request)
        if params["key"] == "all":
            total, records = page_of(history(params["city"]), params)
            return _weather_answer(records, total=total)
        if params["city"]:
            return _weather_answer([self._of_city(request, params["city"])])
        return _weather_answer([weather_newest(now=times.now())])

    @Endpoint("GET POST", "/weather/updateWeatherCount", "修改天气账户信息", Access.ROOT, docs=docs.UPDATE_ACCOUNT)
    def update_weather_count(self, request: CallerRequest) -> Envelope:
        credentials = Credentials(**AccountParams.read(request))
        account_change(credentials=credentials, changed_by=request.user.username, now=times.now())
        return ok("修改成功")

    def _of_city(self, request: Request, city: str) -> WeatherRecord:
        try:
            return weather_query(city=city, caller=caller_key(request), now=times.now())
        except WeatherFault as fault:
            if record := history(city).first():
                fault.extra["data"] = [weather_row(record)]
            raise


def _weather_answer(records: list[WeatherRecord], **more: Any) -> Envelope:
    # Old clients read `message`, newer ones `msg`.
    return ok(FOUND, message=FOUND, data=[weather_row(record) for record in records], **more)
