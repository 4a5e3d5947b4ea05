"""What makes a view a provider's endpoint: no CSRF check, and the faults that strike before and after it."""

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
    """Mark a view as an upstream's: ``slow`` waits first, ``down`` answers 502, ``lost`` works and then answers 502."""

    def decorate(view: View) -> View:
        @wraps(view)
        def struck(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            faults = faults_on()
            time.sleep(faults.get(slow, 0))
            if down in faults:
                return HttpResponse(BAD_GATEWAY, status=502)
            answer = view(request, *args, **kwargs)
            return HttpResponse(BAD_GATEWAY, status=502) if lost in faults else answer

        return never_cache(csrf_exempt(struck))

    return decorate
