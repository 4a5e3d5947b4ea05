"""The refusals of the weather calls. No text here may contain the account's secret or a URL."""

from core.errors import DomainError


class WeatherTooOften(DomainError):
    status, msg = 100, "您查询的次数太频繁,一分钟查询一次"
    remedy = "一分钟后再试"


class NoWeather(DomainError):
    """No weather is stored yet, and the provider gave none."""

    status, msg = 0, "暂无天气数据,请稍后再试"


class AccountIncomplete(DomainError):
    status, msg = 0, "参数少传递了"


class WeatherFault(DomainError):
    """The provider gave no weather; the subclasses say why."""

    status, msg = 502, "天气服务暂时不可用,请稍后再试"


class ProviderSilent(WeatherFault):
    """The provider did not answer in time, could not be reached, or answered with an HTTP error."""


class ProviderGarbled(WeatherFault):
    """The provider's answer is not the weather of v61 that was asked for."""

    msg = "天气服务返回的数据无法识别,请稍后再试"


class ProviderRefused(WeatherFault):
    """The provider refuses: unknown city, wrong account, used-up quota. ``msg`` contains its own text."""

    status, msg = 400, "天气查询失败"


class AccountUnusable(WeatherFault):
    """The stored secret cannot be read, because SECRET_KEY has changed, or there is no secret."""

    status, msg = 500, "天气账户不可用,请重新设置"
