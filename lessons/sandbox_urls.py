"""The paths of a lesson below /sandbox/, which exist only while ``settings.SANDBOX`` is on."""

from django.urls import path

from lessons import api

urlpatterns = [
    path("me/", api.me, name="my_requests"),
    path("control/requests", api.requests),
    path("control/signs", api.signs),
    path("control/checkpoints", api.checkpoints),
]
