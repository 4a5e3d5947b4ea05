from django.urls import path

from core.api import pages
from core.api.openapi import schema
from core.observe import metrics

urlpatterns = [
    path("health/live", pages.alive),
    path("health/ready", pages.ready),
    path("metrics", metrics.export),
    path("schema/", schema),
]
