"""Why an import, or one of its documents, is refused."""


class ImportRefused(Exception):
    """The import cannot start or continue; the text says why, to the engineer."""


class DocumentRefused(Exception):
    """One document cannot be imported; the text says why, to staff."""


class AlreadyHere(Exception):
    """The record is here already, from an earlier run or from elsewhere."""
