"""The page that asks for the values of a step, of a class or of many students, and says what the step would change."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from core.admin.base import page_shown
from core.errors import DomainError

MARK = "mark"  # form field: a hash of the shown rows' keys. If it differs, the selection has changed since


def step_page(
    page: Any, request: HttpRequest, form: Any, *, heading: str, back: str, do: Callable[[], str],
    about: Callable[[], dict[str, Any]],
) -> HttpResponse:  # fmt: skip
    """Do a step once its form is right; until then ask.

    :param do: does the step, and returns the address of the page that follows.
    :param about: returns the ``lines`` that say what would change, and the hidden fields ``posted``. It is called after
        a refusal too, because the students may be others by then.
    """
    if form.is_valid():
        try:
            return HttpResponseRedirect(do())
        except DomainError as refusal:
            messages.error(request, refusal.msg)
    return page_shown(page, request, "students/step.html", heading, form=form, heading=heading, back=back, **about())
