from django.db import models


class Lease(models.Model):
    """Who alone may do a piece of work, and until when at most."""

    name = models.CharField(max_length=64, primary_key=True)
    holder = models.CharField(max_length=16)  # drawn for each taking
    until = models.DateTimeField()

    def __str__(self) -> str:
        return self.name
