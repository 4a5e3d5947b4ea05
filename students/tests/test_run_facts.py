"""What runs keep as JSON is what release 1.1.0 keeps: a run that one has begun, the other goes on with."""

import pytest

from students.run_facts import Choices, UndoNote


@pytest.mark.parametrize(
    ("kind", "keys"),
    [
        (UndoNote, {"step": "rename", "before": "H1", "after": "H9", "row": [7, {"name": ["H1", "H9"]}],
                    "accounts": [1], "archived": [], "notes": {"attendance": [3]}}),
        (UndoNote, {"step": "state", "disabled": [4]}),
        (UndoNote, {"disabled": []}),  # of an import
    ],
)  # fmt: skip
def test_nothing_is_lost_or_added(kind, keys):
    assert kind.load(keys).dump() == keys


def test_a_decision_that_is_taken_back_replaces_the_old_one():
    keys = {"scope": "all", "skips": [2], "leavers": "archive", "is_written": True}

    assert keys | Choices(fixes={"3": {"age": "21"}}).dump() == {
        "scope": "all", "is_written": True, "skips": [], "leavers": "", "disables": False, "off": [],
        "fixes": {"3": {"age": "21"}}, "answers": {}, "spellings": {}, "constants": {},
    }  # fmt: skip
