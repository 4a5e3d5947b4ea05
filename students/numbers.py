"""The numbers of students (学号)."""

from django.utils.crypto import get_random_string

_LETTERS, _DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789"


def student_number_new() -> str:
    """Make a student's number such as ``WWLN97178546``.

    The database keeps it unique: at 100,000 students, one new number in 460 million is refused.
    """
    return get_random_string(4, _LETTERS) + get_random_string(8, _DIGITS)
