"""Development: everything has a default, every upstream is the sandbox."""

from config.settings.base import *  # noqa: F403
