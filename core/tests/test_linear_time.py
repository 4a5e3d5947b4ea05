"""Text from outside costs a time in proportion to its length: a long one must not hold a process."""

import io
import time
from contextlib import suppress

import pytest
from django.test import RequestFactory
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from config.wsgi import application
from core.api.params import present
from core.observe.logs import hide_secrets
from payments.gateways.wechat.v2 import read_flat
from sandbox.pay import notices, signing
from sockets import packets
from students.counts import name_keys

SHORT, LONGER = 1_000, 8  # characters, and how many times as many
# In proportion would be 8, with the square 64. Times are the thread's own, the best of several: another program's
# work is not in them. Below FLOOR_S the cost of a call outweighs that of its text.
MAX_GROWTH, FLOOR_S, TRIES = 24, 0.000_2, 5

PIECES = [
    *("a", "a-", "A_1", "é", "学", "😀", " ", "\t", "\n", "-", "_", ".", ",", ";", ":", "=", "&", "%41", "\\", "\\\\"),
    *('"', "'", "/", "?", "#", "<a>", "</a>", "<", ">", "&amp;", "(", "[", "{", "}", "*", "@", "|", "0", "1:", "255"),
    *("password", "token=", "secret", "authorization: bearer ", "wechatCode", "api_key", "captcha"),
    *("bearer ", "code", "gzip;q=1,", 'W/"x"', "http://", "bytes=1-", "\x1e", "4", "51-", "; charset", '; x="', "\\n"),
]
TEXTS = st.tuples(
    st.text(st.sampled_from('a" =;'), max_size=3),
    st.lists(st.sampled_from(PIECES), min_size=1, max_size=4).map("".join),
    st.sampled_from(["", '"', ":", "=x", "\n"]),
)
HEADERS = [
    *("HTTP_COOKIE", "CONTENT_TYPE", "HTTP_ACCEPT", "HTTP_ACCEPT_ENCODING", "HTTP_AUTHORIZATION", "HTTP_HOST"),
    *("HTTP_IF_NONE_MATCH", "HTTP_IF_MODIFIED_SINCE", "HTTP_ORIGIN", "HTTP_REFERER", "HTTP_X_FORWARDED_FOR"),
    *("HTTP_X_REQUEST_ID", "HTTP_ACCESS_CONTROL_REQUEST_HEADERS", "CONTENT_LENGTH", "PATH_INFO", "QUERY_STRING"),
]


def through_the_door(name):
    """A request that carries the text in ``name``, from the server to the answer, its log line included."""

    def send(text):
        environ = RequestFactory().get("/health/live").environ
        environ[name] = text.encode("utf-8").decode("latin-1") if name != "PATH_INFO" else "/" + text
        environ["wsgi.errors"] = io.StringIO()
        return list(application(environ, lambda *_: None))

    return send


READERS = {
    "a log line": lambda text: hide_secrets(None, "", {"event": text + ":"}),
    "parameters": lambda text: present({"key": text}),
    "a payload of Engine.IO 3": lambda text: packets.decode_payload(text.encode(), 3),
    "a payload of Engine.IO 4": lambda text: packets.decode_payload(text.encode(), 4),
    "a message of Socket.IO": packets.decode_message,
    "a notification": lambda text: read_flat(f"<xml><a>{text}</a></xml>"),
    "a signature of the merchant": lambda text: signing._authorization(f"{signing.SCHEME} {text}"),
    "an acknowledgement": lambda text: notices._ACK_V2.search(text.encode()),
    "a search": name_keys,
} | {name: through_the_door(name) for name in HEADERS}


def seconds(read, text, tries=TRIES):
    best = float("inf")
    for _ in range(tries):
        start = time.thread_time()
        with suppress(Exception):  # most texts are refused
            read(text)
        best = min(best, time.thread_time() - start)
    return best


def costs_in_proportion(read, text):
    start, middle, end = text
    short, long = (start + middle * (size // len(middle)) + end for size in (SHORT, SHORT * LONGER))
    # Nearly always one try of the long text is quick enough, whatever the short one takes.
    return seconds(read, long, tries=1) < MAX_GROWTH * FLOOR_S or seconds(read, long) < MAX_GROWTH * max(
        seconds(read, short), FLOOR_S
    )


@pytest.mark.parametrize("name", READERS)
def test_a_text_eight_times_as_long_costs_about_eight_times_as_much(name):
    @settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(TEXTS)
    @example(("", "a-", ":"))
    @example(('a="', "\\", '"'))
    @example(('a; x="', ";", ""))
    @example(("", "a", ""))
    @example(("", " ", ""))
    def holds(text):
        assert costs_in_proportion(READERS[name], text)

    holds()
