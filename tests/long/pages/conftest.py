"""The journeys' installation and browser, which ends with this folder: its event loop would refuse Django to others."""

from tests.journeys.conftest import chromium, page, running, visit  # noqa: F401
