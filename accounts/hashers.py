"""Password hashing."""

from django.contrib.auth.hashers import Argon2PasswordHasher


class LeanArgon2PasswordHasher(Argon2PasswordHasher):
    """argon2id at OWASP's minimum (19 MiB, 2 passes): about 17 ms, so that a class can log in at once."""

    time_cost = 2
    memory_cost = 19 * 1024
    parallelism = 1
