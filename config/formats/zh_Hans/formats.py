"""Date formats of the back office: with seconds, and short enough for a column of a list."""

DATETIME_FORMAT = "Y-m-d H:i:s"
DATE_FORMAT = "Y-m-d"
