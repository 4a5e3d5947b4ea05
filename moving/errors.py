"""What an import may come to."""


class ImportRefused(Exception):
    """The import cannot begin or go on; the text tells the engineer why."""


class DocumentRefused(Exception):
    """One document cannot come; the text tells staff why."""


class AlreadyHere(Exception):
    """The record is here already, from an earlier run or from elsewhere."""
