"""The paths of the weather provider, below /sandbox/tianqi/."""

from django.urls import path

from sandbox.weather.views import tianqi

urlpatterns = [path("api", tianqi)]
