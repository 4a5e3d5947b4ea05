"""How the back office writes times, with seconds but short enough for a column of a list, and amounts."""

DATETIME_FORMAT = "Y-m-d H:i:s"
DATE_FORMAT = "Y-m-d"
# For ``floatformat:"2g"``, which writes an amount as ``core.money.yuan_text`` does.
THOUSAND_SEPARATOR, NUMBER_GROUPING = ",", 3
