"""The calls of the API that the stream, the signs and the checkpoints know by name."""

LOGIN, REFRESH = "/users/login", "/users/refresh"
LIST, SEARCH = "/students/getstulist", "/students/searchstu"
SEARCHES = {SEARCH, "/users/getAllUers"}
POLL = "/order/query_order_status"
NOTICES = ("/pay/payResult", "/pay/notify")
REPEATABLE = {"/cart/check", "/pay/payment", "/users/updateUser"}  # of two equal ones the second changes nothing
CHARTS = "/statistics/"  # each call is another question, not a row of the same list
UPLOADS = ("/upload/uploadImg", "/students/uploadStuAvatar", "/users/uploadAvatar")
