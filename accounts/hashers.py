"""Password hashing."""

from django.contrib.auth.hashers import Argon2PasswordHasher


class LeanArgon2PasswordHasher(Argon2PasswordHasher):
    """argon2id with OWASP's minimum (19 MiB, 2 passes).

    A hash takes about 17 ms; with Django's defaults a class that logs in at once would wait much longer.
    """

    time_cost = 2
    memory_cost = 19 * 1024
    parallelism = 1
