"""The sandbox's server, because the demo's bills are compared with its books."""

from sandbox.tests.conftest import _server, keys, server  # noqa: F401
