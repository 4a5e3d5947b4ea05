import pytest

from weather.tests.provider import GOOD_SECRET, Provider


@pytest.fixture
def provider(settings):
    """The provider that the settings name, with an account it accepts."""
    running = Provider()
    settings.WEATHER_BASE_URL = running.base_url
    settings.WEATHER_VERSION, settings.WEATHER_APP_ID, settings.WEATHER_APP_SECRET = "v61", "app-1", GOOD_SECRET
    settings.WEATHER_CITY = "南京"
    yield running
    running.stop()
