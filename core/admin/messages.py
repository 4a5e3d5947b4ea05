"""Messages of the back office."""

from django.contrib.messages.middleware import MessageMiddleware
from django.http import HttpRequest


class BackOfficeMessageMiddleware(MessageMiddleware):
    """Django's messages for the back office alone: in an API call nobody would read them."""

    def process_request(self, request: HttpRequest) -> None:
        if request.path_info.startswith("/admin/"):
            super().process_request(request)
