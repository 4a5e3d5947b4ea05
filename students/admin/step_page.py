"""The page that asks for the values of a step, of a class or of many students, and says what the step would change."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from core.admin.base import page_shown
from core.errors import DomainError
from runs.pages import run_url
from students.models import TransferRun


def step_page(
    page: Any, request: HttpRequest, form: Any, *, heading: str, back: str, do: Callable[[], TransferRun],
    about: Callable[[], dict[str, Any]],
) -> HttpResponse:  # fmt: skip
    """Do a step once its form is right, and show its run; until then ask.

    :param about: returns the ``lines`` that say what would change, and the hidden fields ``posted``. It is called after
        a refusal too, because the students may be others by then.
    """
    if form.is_valid():
        try:
            return HttpResponseRedirect(run_url(do()))
        except DomainError as refusal:
            messages.error(request, refusal.msg)
    return page_shown(page, request, "students/step.html", heading, form=form, heading=heading, back=back, **about())
