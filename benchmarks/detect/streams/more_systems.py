"""Continuous logs of eight further kinds of software: `MORE[name](random, lines)`, for choosing constants.

They are made as those of `systems`, whose held-out half is left for reporting: what would be missed there is
looked for here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from random import Random

from benchmarks.detect.streams.systems import Timed, _clock, _every, _hex, _iso, _lognormal, _merged, _syslog


def _texts(parts: list[Timed], lines: int) -> list[str]:
    return [line for _, line in _merged(parts, lines)]


def redis(random: Random, lines: int) -> list[str]:
    """A store that saves in the background and lists its clients."""
    pid = random.randrange(100, 9_000)

    def head(moment: datetime, mark: str = "*") -> str:
        return f"{pid}:M {moment:%d %b %Y %H:%M:%S}.{moment.microsecond // 1000:03} {mark}"

    def saves() -> Timed:
        for moment in _every(random, 60, 0.05):
            changes, child = random.randrange(100, 900), random.randrange(pid, 30_000)
            yield moment, f"{head(moment)} {changes} changes in 60 seconds. Saving..."
            yield moment, f"{head(moment)} Background saving started by pid {child}"
            end = moment + timedelta(seconds=_lognormal(random, 0.4))
            yield (
                end,
                f"{head(end)} Fork CoW for RDB: current {random.randrange(1, 9)} MB, peak {random.randrange(9, 20)} MB",
            )
            yield end, f"{head(end)} Background saving terminated with success"

    def clients() -> Timed:
        for moment in _clock(random, 15):
            yield (
                moment,
                f"{head(moment, '-')} Accepted 10.2.0.{random.randrange(2, 60)}:{random.randrange(30_000, 60_000)}",
            )

    def reports() -> Timed:
        for moment in _every(random, 5):
            clients, used = random.randrange(8, 30), int(_lognormal(random, 9_000_000, 0.1))
            yield moment, f"{head(moment, '-')} {clients} clients connected (1 replicas), {used} bytes in use"

    return _texts([saves(), clients(), reports()], lines)


def named(random: Random, lines: int) -> list[str]:
    """A name server that logs its queries."""
    hosts = [f"{name}.example.net" for name in ("www", "mail", "api", "db", "ldap", "ntp", "proxy")]
    net = random.randrange(200)

    def queries() -> Timed:
        for moment in _clock(random, 0.3):
            ip = f"10.{net}.{random.randrange(3)}.{random.randrange(1, 80)}"
            host, kind = random.choice(hosts), random.choices(["A", "AAAA", "PTR", "MX"], [70, 20, 8, 2])[0]
            stamp = f"{moment:%d-%b-%Y %H:%M:%S}.{moment.microsecond // 1000:03}"
            yield (
                moment,
                f"{stamp} queries: info: client @0x{_hex(random, 12)} {ip}#{random.randrange(1024, 65_000)} ({host}): query: {host} IN {kind} +E(0) (10.0.0.53)",
            )

    def zones() -> Timed:
        for moment in _every(random, 30, 0.1):
            stamp = f"{moment:%d-%b-%Y %H:%M:%S}.{moment.microsecond // 1000:03}"
            yield (
                moment,
                f"{stamp} xfer-in: info: transfer of 'example.net/IN' from 10.0.0.{random.randrange(2, 4)}#53: Transfer status: success",
            )
            yield (
                moment,
                f"{stamp} notify: info: zone example.net/IN: sending notifies (serial {int(moment.timestamp())})",
            )

    return _texts([queries(), zones()], lines)


def dhcpd(random: Random, lines: int) -> list[str]:
    """Leases, asked for and given."""
    machines = [":".join(_hex(random, 2) for _ in range(6)) for _ in range(random.randrange(15, 40))]

    def leases() -> Timed:
        for moment in _clock(random, 6):
            at = random.randrange(len(machines))
            ip, mac, pid = f"192.168.7.{at + 10}", machines[at], 771
            head = f"gw dhcpd[{pid}]:"
            if random.random() < 0.15:
                yield moment, f"{_syslog(moment)} {head} DHCPDISCOVER from {mac} via eth1"
                yield moment, f"{_syslog(moment)} {head} DHCPOFFER on {ip} to {mac} via eth1"
            yield moment, f"{_syslog(moment)} {head} DHCPREQUEST for {ip} from {mac} via eth1"
            if random.random() < 0.005:
                yield moment, f"{_syslog(moment)} {head} DHCPNAK on {ip} to {mac} via eth1"
            else:
                yield moment, f"{_syslog(moment)} {head} DHCPACK on {ip} to {mac} via eth1"

    return _texts([leases()], lines)


def firewall(random: Random, lines: int) -> list[str]:
    """A kernel that logs packets by a rule."""
    own = f"203.0.113.{random.randrange(1, 250)}"

    def packets(mark: str, pause: float, ports: list[int]) -> Timed:
        for moment in _clock(random, pause):
            source = f"{random.randrange(20, 220)}.{random.randrange(255)}.{random.randrange(255)}.{random.randrange(255)}"
            yield moment, (
                f"{_syslog(moment)} edge kernel: [{moment.timestamp() % 1e6:.6f}] {mark}: IN=eth0 OUT= SRC={source} "
                f"DST={own} LEN={random.choice([40, 44, 52, 60])} TTL={random.randrange(40, 120)} PROTO=TCP "
                f"SPT={random.randrange(1024, 65_000)} DPT={random.choice(ports)} WINDOW=1024 SYN"
            )  # fmt: skip

    parts = [packets("DROP", 1.5, [22, 23, 445, 3389, 8080]), packets("ACCEPT", 1, [80, 443])]

    def links() -> Timed:
        for moment in _clock(random, 300):
            yield (
                moment,
                f"{_syslog(moment)} edge kernel: [{moment.timestamp() % 1e6:.6f}] e1000e: eth1 NIC Link is Up 1000 Mbps Full Duplex",
            )

    return _texts([*parts, links()], lines)


def dovecot(random: Random, lines: int) -> list[str]:
    """A mail store whose users log in, read and log out."""
    users = [f"{name}@example.org" for name in ("ann", "ben", "cleo", "dev", "eve", "finn", "gus")]

    def sessions() -> Timed:
        for moment in _clock(random, 4):
            user, ip, session = random.choice(users), f"10.3.0.{random.randrange(2, 90)}", _hex(random, 16)
            if random.random() < 0.03:
                yield (
                    moment,
                    f"{_syslog(moment)} mx dovecot: imap-login: Disconnected (auth failed, 1 attempts in 2 secs): user=<{user}>, method=PLAIN, rip={ip}, lip=10.3.0.1, TLS, session=<{session}>",
                )
                continue
            yield (
                moment,
                f"{_syslog(moment)} mx dovecot: imap-login: Login: user=<{user}>, method=PLAIN, rip={ip}, lip=10.3.0.1, mpid={random.randrange(9_999)}, TLS, session=<{session}>",
            )
            end = moment + timedelta(seconds=_lognormal(random, 30, 1))
            yield (
                end,
                f"{_syslog(end)} mx dovecot: imap({user})<{session}>: Logged out in={random.randrange(80, 900)} out={int(_lognormal(random, 4_000, 1))}",
            )

    def indexes() -> Timed:
        for moment in _every(random, 20):
            yield (
                moment,
                f"{_syslog(moment)} mx dovecot: indexer-worker({random.choice(users)}): Indexed {random.randrange(1, 40)} messages in INBOX",
            )

    return _texts([sessions(), indexes()], lines)


def builds(random: Random, lines: int) -> list[str]:
    """A runner that builds one job after the other, each step in its order."""
    steps = ["checkout", "restore cache", "compile", "unit tests", "package", "upload artifact"]
    usual = {step: random.uniform(2, 60) for step in steps}

    def jobs() -> Timed:
        moment = next(_clock(random, 1))
        for number in range(random.randrange(400, 4_000), 1_000_000):
            yield (
                moment,
                f"[{_iso(moment, 0)[:-2]}Z] INFO runner: job #{number} of project {random.choice('abcde')}-service picked",
            )
            for step in steps:
                moment += timedelta(seconds=_lognormal(random, usual[step], 0.2))
                bad = step == "unit tests" and random.random() < 0.04
                state = "failed with exit code 1" if bad else "completed"
                yield (
                    moment,
                    f"[{_iso(moment, 0)[:-2]}Z] {'WARN' if bad else 'INFO'} runner: step {step} {state} after {usual[step]:.0f} s",
                )
                if bad:
                    break
            moment += timedelta(seconds=random.expovariate(1 / 40))

    return _texts([jobs()], lines)


def etcd(random: Random, lines: int) -> list[str]:
    """A replicated store that writes JSON with a caller."""

    def line(moment: datetime, level: str, caller: str, message: str, **more: object) -> tuple[datetime, str]:
        record = {"level": level, "ts": _iso(moment, 6), "caller": caller, "msg": message, **more}
        return moment, json.dumps(record)

    def compactions() -> Timed:
        for number, moment in enumerate(_every(random, 30), random.randrange(9_999)):
            yield line(moment, "info", "mvcc/index.go:214", "compact tree index", revision=number * 91)
            took = f"{_lognormal(random, 9):.6f}ms"
            yield line(
                moment, "info", "mvcc/kvstore_compaction.go:68", "finished scheduled compaction", took=took
            )

    def slow() -> Timed:
        for moment in _clock(random, 5):
            took = f"{_lognormal(random, 140):.6f}ms"
            yield line(
                moment,
                "warn",
                "etcdserver/util.go:170",
                "apply request took too long",
                took=took,
                expected="100ms",
                response=f"size:{random.randrange(5, 900)}",
            )

    def health() -> Timed:
        for moment in _every(random, 10, 0.1):
            yield line(moment, "info", "etcdhttp/metrics.go:100", "/health OK", **{"status-code": 200})

    return _texts([compactions(), slow(), health()], lines)


def cron(random: Random, lines: int) -> list[str]:
    """A host's jobs by the clock, and what they say."""
    jobs = {"backup.sh": 600, "rotate.sh": 300, "collect-metrics": 60, "sync-mail": 120, "check-disk": 30}

    def job(name: str, every: float) -> Timed:
        for moment in _every(random, every, 0.01):
            pid = random.randrange(900, 30_000)
            yield moment, f"{_syslog(moment)} node1 CRON[{pid}]: (root) CMD (/usr/local/bin/{name})"
            end = moment + timedelta(seconds=_lognormal(random, every / 40))
            yield (
                end,
                f"{_syslog(end)} node1 {name}[{pid + 1}]: finished, status ok, {random.randrange(1, 50)} files, {_lognormal(random, 80):.0f} ms",
            )
            yield (
                end,
                f"{_syslog(end)} node1 CRON[{pid}]: pam_unix(cron:session): session closed for user root",
            )

    def disk() -> Iterator[tuple[datetime, str]]:
        used = 40.0
        for moment in _every(random, 45):
            used = min(60.0, max(40.0, used + random.uniform(-0.5, 0.5)))
            yield (
                moment,
                f"{_syslog(moment)} node1 check-disk[311]: / is {used:.0f}% full, {random.randrange(200, 220)} inodes free",
            )

    return _texts([*(job(name, every) for name, every in jobs.items()), disk()], lines)


MORE: dict[str, Callable[[Random, int], list[str]]] = {
    "redis": redis, "named": named, "dhcpd": dhcpd, "firewall": firewall, "dovecot": dovecot, "builds": builds,
    "etcd": etcd, "cron": cron,
}  # fmt: skip
