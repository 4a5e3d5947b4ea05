"""Check of ``manage.py doctor``: does an upstream count as dead at the moment?"""

from collections.abc import Iterator

from core.ops import doctor
from core.ops.doctor import Finding
from core.upstreams import resting


@doctor.register_check
def breakers() -> Iterator[Finding]:
    for name, number in resting().items():
        if number:
            what = f"{name} does not answer: {number} process(es) refuse calls to it and try again by themselves"
            yield Finding(False, what, "Is it down? Check network, proxy and firewall of this machine.")
