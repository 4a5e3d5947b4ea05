"""What goes wrong with the weather. None of these texts may hold the account's secret or a URL."""

from core.errors import DomainError


class WeatherTooOften(DomainError):
    status, msg = 100, "您查询的次数太频繁,一分钟查询一次"
    remedy = "一分钟后再试"


class NoWeather(DomainError):
    """Nothing is stored yet."""

    status, msg = 0, "暂无天气数据,请稍后再试"


class AccountIncomplete(DomainError):
    status, msg = 0, "参数少传递了"


class WeatherFault(DomainError):
    """The provider gave no weather."""

    status, msg = 502, "天气服务暂时不可用,请稍后再试"


class ProviderSilent(WeatherFault):
    """No answer in time, no connection, or an HTTP error."""


class ProviderGarbled(WeatherFault):
    """An answer that is no v61 weather."""

    msg = "天气服务返回的数据无法识别,请稍后再试"


class ProviderRefused(WeatherFault):
    """The provider says no: an unknown city, a bad account, a used-up quota. ``msg`` carries its words."""

    status, msg = 400, "天气查询失败"


class AccountUnusable(WeatherFault):
    """The secret was sealed under another SECRET_KEY, or none is set."""

    status, msg = 500, "天气账户不可用,请重新设置"
