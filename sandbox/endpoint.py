"""Turn a view into a provider's endpoint: without CSRF check, and with the faults that happen before and after it."""

import time
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt

from sandbox.faults import faults_on
from sandbox.models import FaultKind

View = Callable[..., HttpResponse]
BAD_GATEWAY = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"


def provider_endpoint(*, slow: FaultKind, down: FaultKind, lost: FaultKind | None = None) -> Callable[[View], View]:
    """Decorate a view. Fault ``slow`` waits first; ``down`` answers 502; ``lost`` calls the view and answers 502."""

    def decorate(view: View) -> View:
        @wraps(view)
        def faulty(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            faults = faults_on()
            time.sleep(faults.get(slow, 0))
            if down in faults:
                return HttpResponse(BAD_GATEWAY, status=502)
            response = view(request, *args, **kwargs)
            return HttpResponse(BAD_GATEWAY, status=502) if lost in faults else response

        return never_cache(csrf_exempt(faulty))

    return decorate
