"""How the back office writes times, with seconds but short enough for a column of a list, and amounts."""

DATETIME_FORMAT = "Y-m-d H:i:s"
DATE_FORMAT = "Y-m-d"
# The first of each is how a form shows it: with seconds, or saving the form would lose them.
DATE_INPUT_FORMATS = ["%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y年%m月%d日"]
TIME_INPUT_FORMATS = ["%H:%M:%S", "%H:%M"]
# For ``floatformat:"2g"``, which writes an amount as ``core.money.yuan_text`` does.
THOUSAND_SEPARATOR, NUMBER_GROUPING = ",", 3
