"""The keys students are counted and found by.

Every student has a set of keys, made by ``students_keys()`` in the database (first migration):

===========  ==========================================================================
``*``       everybody (counted only)
``cH51901`` the class
``b…``, ``w…``  the block of 1,024 and the stretch of 4,096 ids the student's id lies in
``n谭``      each run of one, two or three characters of the name
==========  ==========================================================================

The table ``students_tally`` holds how many students have a key, the GIN index ``student_keys`` which ones.
"""

ALL = "*"
BLOCK_BITS, STRETCH_BITS = 10, 12
LONGEST_GRAM = 3


def class_key(class_name: str) -> str:
    return "c" + class_name


def name_keys(text: str) -> list[str]:
    """Keys of every student whose name holds ``text``; up to three characters, of nobody else."""
    size = min(len(text), LONGEST_GRAM)
    return list(dict.fromkeys("n" + text[at : at + size] for at in range(len(text) - size + 1)))
