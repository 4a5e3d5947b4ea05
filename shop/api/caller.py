"""What the type checker should know of our requests: whoever calls the shop is logged in."""

from rest_framework.request import Request

from accounts.principal import Principal


class CallerRequest(Request):
    user: Principal  # type: ignore[assignment]  # DRF's stubs know Django's users only
