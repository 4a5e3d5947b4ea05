"""What takes longest runs apart: `make test-long`. It has the provider of tests/concurrency."""

from tests.concurrency.conftest import merchant_values, ports, wechat  # noqa: F401
