"""The rows of the table: what happens to which machine, and how it is put right again."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.cluster.machines import Machine, disk_empty, disk_fill
from tests.cluster.parts import Installation
from tests.cluster.traffic import PATIENCE_S, Traffic

VIEWERS = 24  # more than a machine has threads
FAULT_S = 32  # a database that vanishes is replaced after 20 to 25 s
NOTICED_S, FAILOVER_S = 10, 35
# A person who waits for an entrance that has vanished gives up when the own patience ends; the second try succeeds.
# On a busy machine pictures come 5 s apart even when all is well, before the silence and after it.
# A page learns by its heartbeat, 25 + 20 s, that its socket leads nowhere.
DOOR = {"lasts_s": 60, "limit_s": PATIENCE_S + 10, "may_stop": ("scan",), "silence_s": 50}
Mend = Callable[[], object]


@dataclass
class Row:
    """``begin`` makes it happen and returns what puts it right; ``limits`` name what people may notice for longer."""

    who: str
    what: str
    begin: Callable[[Installation, Traffic], Mend]
    lasts_s: float = FAULT_S
    limit_s: float = NOTICED_S
    may_stop: tuple[str, ...] = ()  # what cannot work while it lasts
    refuses: bool = True  # whether a request may be refused
    in_bucket: bool = False
    viewers: int = 0  # who do nothing but look at pictures
    silence_s: float = 25  # of a screen: longer than a code is good for


VICTIMS: dict[str, tuple[str, Callable[[Installation], Machine]]] = {
    "primary": ("数据库主库", lambda all: all.primary_database()),
    "standby": ("数据库备库", lambda all: all.standby_database()),
    "valkey": ("Valkey 主库", lambda all: all.primary_cache()),
    "spare": ("Valkey 备库", lambda all: next(m for m in all.caches if m is not all.primary_cache())),
    "app": ("一台应用（web、socket、worker、beat、etcd、Sentinel）", lambda all: all.apps[0]),
    "third": ("etcd、Sentinel 的第三台", lambda all: all.third),
    "door": ("有共用地址的入口（HAProxy、keepalived）", lambda all: all.active_door()),
    "bucket": ("图片存储（S3）", lambda all: all.bucket),
}
# What people may notice of a victim that others do not cause.
NOTICED = {
    "primary": {"limit_s": FAILOVER_S},
    "door": DOOR,
    "bucket": {"may_stop": ("picture",), "in_bucket": True, "viewers": VIEWERS},
}
FAULTS = {"kill": ("死机", Machine.kill), "freeze": ("冻结", Machine.freeze), "cut": ("拔网线", Machine.cut)}
FULL = "磁盘写满"
EVERYTHING = ("order", "pay", "refund", "picture", "scan", "read")


def _to(do: Callable[[Machine], object], *machines: Machine) -> Mend:
    """Let the same happen to each machine, and return what mends them."""
    for machine in machines:
        do(machine)
    return lambda: [machine.mend() for machine in machines]


def _fault(victim: str, fault: str) -> Row:
    (who, find), (what, do) = VICTIMS[victim], FAULTS[fault]

    def begin(everything: Installation, traffic: Traffic) -> Mend:
        if victim == "bucket" and fault == "kill":
            traffic.pictures.clear()  # the stand-in keeps them in its memory
        return _to(do, find(everything))

    return Row(who, what, begin, **NOTICED.get(victim, {}))


def _together(fault: str, *victims: str) -> Row:
    """Two machines of different kinds at the same moment: each kind has one left."""
    what, do = FAULTS[fault]
    whos, finds = zip(*(VICTIMS[victim] for victim in victims), strict=True)
    begin = lambda all, _: _to(do, *[find(all) for find in finds])  # noqa: E731
    return Row("、".join(who.partition("（")[0] for who in whos), f"同时{what}", begin)


def _full(victim: str, *may_stop: str) -> Row:
    who, find = VICTIMS[victim]
    return Row(who, FULL, lambda all, _: _to(Machine.fill, find(all)), may_stop=may_stop)


def _pictures_full(everything: Installation, traffic: Traffic) -> Mend:
    disk_fill(everything.pictures)
    return lambda: disk_empty(everything.pictures)


def _partition(everything: Installation, traffic: Traffic) -> Mend:
    app = everything.apps[0]
    mend = _to(Machine.strand, everything.primary_database(), app)
    traffic.islander(app)
    return mend


def _roll(everything: Installation, traffic: Traffic) -> Mend:
    for app in everything.apps:
        everything.roll(app)
    return lambda: None


def _without_etcd(count: int) -> Row:
    """End etcd on so many of its three machines; both databases are healthy."""
    begin = lambda all, _: _to(lambda one: one.halt("etcd"), *[all.third, *all.apps][:count])  # noqa: E731
    return Row(f"{count} 个 etcd（共三个）", FAULTS["kill"][0], begin)


def _slow_disk(wait_ms: int, limit_s: float = NOTICED_S) -> Row:
    def begin(everything: Installation, traffic: Traffic) -> Mend:
        waits = everything.primary_database().home / "fsync-waits"
        waits.write_text(str(wait_ms))
        return waits.unlink

    return Row("数据库主库", f"每次 fsync 用 {wait_ms / 1000:g} 秒", begin, limit_s=limit_s)


# 24 people who look at pictures leave a decoder, which is niced, little of two cores.
LOADED = {"lasts_s": 0, "refuses": False, "viewers": VIEWERS, "may_stop": ("picture",)}
OLD_KEY, NEW_KEY = "x" * 50, "y" * 50


def _new_key(everything: Installation, traffic: Traffic) -> Mend:
    """As docs/operations.md says: every machine knows the new key before the first one signs with it."""
    for key, others in ((OLD_KEY, NEW_KEY), (NEW_KEY, OLD_KEY)):
        for app in everything.apps:
            everything.roll(app, DJANGO_SECRET_KEY=key, DJANGO_SECRET_KEY_FALLBACKS=others)
    return lambda: None


ROWS = {f"{victim}:{fault}": _fault(victim, fault) for victim in VICTIMS for fault in FAULTS} | {
    "island": Row("数据库主库和一台应用", "一起与其余断开", _partition, limit_s=FAILOVER_S),
    "app+valkey:kill": _together("kill", "app", "valkey"),
    "standby+app:cut": _together("cut", "standby", "app"),
    "primary:full": _full("primary", *EVERYTHING),
    "standby:full": _full("standby"),
    "valkey:full": _full("valkey", *EVERYTHING),
    "app:full": _full("app"),
    "pictures:full": Row("图片的目录", FULL, _pictures_full, may_stop=("picture",)),
    "etcd2": _without_etcd(2),
    "etcd3": _without_etcd(3),
    "primary:postgres": Row(
        "数据库主库",
        "只有 PostgreSQL 冻结，Patroni 活着",
        limit_s=FAILOVER_S,
        begin=lambda all, _: _to(lambda one: one.freeze("postgres"), all.primary_database()),
    ),
    "door:haproxy": Row(
        "有共用地址的入口",
        "HAProxy 死了，不再启动",
        limit_s=PATIENCE_S + 10,
        begin=lambda all, _: _to(lambda one: one.halt("haproxy"), all.active_door()),
    ),
    "web-primary:cut": Row(
        "一台应用与数据库主库",
        "之间断开，其余都通",
        begin=lambda all, _: _to(lambda one: one.deafen(all.apps[0]), all.primary_database()),
    ),
    "webs-valkey:cut": Row(
        "两台应用与 Valkey",
        "之间断开",
        may_stop=("picture", "scan"),
        silence_s=50,
        begin=lambda all, _: _to(lambda one: one.deafen(*all.apps), *all.caches),
    ),
    "fsync:200": _slow_disk(200),
    "fsync:2000": _slow_disk(2000, limit_s=2 * PATIENCE_S + 10),  # a payment commits four times, 2 to 4 s each
    "roll": Row("两台应用", "逐台升级", _roll, lasts_s=0, refuses=False),
    "key": Row("两台应用", "更换密钥", _new_key, **LOADED),
}
# For how long each lasts in the short version. That a reload refuses no request is what tests/long/test_units.py tries.
SHORT = {"valkey:kill": 8, "island": FAULT_S}
