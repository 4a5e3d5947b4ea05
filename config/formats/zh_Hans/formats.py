"""Times as the back office writes them: to the second, and short enough for a column."""

DATETIME_FORMAT = "Y-m-d H:i:s"
DATE_FORMAT = "Y-m-d"
