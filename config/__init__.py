import gc

# What is imported stays, and each garbage collection on the way would look at all of it again: that took a third of the
# CPU time of a start. `core.apps` turns collections on again when everything is loaded.
gc.disable()

from config.celery import app as celery_app  # noqa: E402  (its imports are what this is about)

__all__ = ["celery_app"]
