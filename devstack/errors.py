"""Why the development stack cannot start."""


class StackError(Exception):
    """The stack cannot start or continue; the text is one line for the person at the terminal."""
