from django.urls import path
from drf_spectacular.views import SpectacularSwaggerSplitView

from core.api import pages
from core.api.openapi import schema
from core.observe import metrics

urlpatterns = [
    path("health/live", pages.alive),
    path("health/ready", pages.ready),
    path("metrics", metrics.export),
    path("schema/", schema, name="schema"),
    path("docs/", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="docs"),
]
