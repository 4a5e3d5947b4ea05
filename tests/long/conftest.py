"""What takes longest runs apart: `make test-long`. It has the journeys' installation and browser, and the provider."""

from tests.concurrency.conftest import merchant_values, ports, wechat  # noqa: F401
from tests.journeys.conftest import chromium, context, page, running  # noqa: F401
