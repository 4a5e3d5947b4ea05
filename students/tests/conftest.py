import json

import pytest

from core.sheets import read, workbook_reader
from tests.kit import logged_in


@pytest.fixture
def clerk(zhuguan):
    """The browser of a member of staff who may add, change and delete students."""
    zhuguan.user.is_staff = True
    zhuguan.user.save()
    browser = logged_in(zhuguan.user)
    browser.user = zhuguan.user
    return browser


@pytest.fixture(autouse=True)
def _lists_are_read_here(monkeypatch):
    """Read lists in this process, in two thirds of the time; ``core``'s tests and the journeys start the reader's."""

    def output(content):
        is_book = read.sheet_kind(content) == "xlsx"
        try:
            return json.dumps((workbook_reader.workbook if is_book else workbook_reader.csv_sheet)(content))
        except workbook_reader.WorkbookRefused as refusal:
            raise read.SheetRefused(str(refusal)) from None

    monkeypatch.setattr(read, "_output", output)
