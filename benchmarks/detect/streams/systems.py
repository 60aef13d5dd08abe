"""Continuous logs of a dozen kinds of software, made up line by line: `SYSTEMS[name](random, lines)`.

The public samples are cut from months, one line in hundreds: right for foreign lines, wrong for rates. These go
on without a gap: load rises and falls, jobs run by the clock, rare things happen at their own rates, and each
line's parts depend on each other as they do in the real ones. Half of the systems are for choosing (`TUNED_ON`),
the other half for reporting. A seed gives other hosts, rates, users and errors, not only other draws.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from math import sin
from random import Random

_BEGIN = datetime(2026, 11, 20, 10, tzinfo=UTC)
Timed = Iterator[tuple[datetime, str]]


def _clock(random: Random, mean: float, swing: float = 0.5) -> Iterator[datetime]:
    """Moments that come by chance, `mean` seconds apart, more often at times."""
    now = _BEGIN + timedelta(seconds=random.random() * mean)
    for at in count():
        now += timedelta(seconds=random.expovariate(1) * mean * (1 + swing * sin(at / 400)))
        yield now


def _every(random: Random, period: float, jitter: float = 0.02) -> Iterator[datetime]:
    now = _BEGIN + timedelta(seconds=random.random() * period)
    while True:
        yield now
        now += timedelta(seconds=period * (1 + random.uniform(-jitter, jitter)))


def _merged(parts: list[Timed], lines: int) -> list[tuple[datetime, str]]:
    heads = [next(part) for part in parts]
    out = []
    while len(out) < lines:
        first = min(range(len(heads)), key=lambda at: heads[at][0])
        out.append(heads[first])
        heads[first] = next(parts[first])
    return out


def _iso(moment: datetime, digits: int = 3) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond:06}"[:digits] + "Z"


def _syslog(moment: datetime) -> str:
    return moment.strftime("%b %d %H:%M:%S")


def _lognormal(random: Random, median: float, spread: float = 0.6) -> float:
    return median * random.lognormvariate(0, spread)


def _pick(random: Random, **weights: float) -> str:
    return random.choices([*weights], [*weights.values()])[0]


def _hex(random: Random, size: int) -> str:
    return "".join(random.choice("0123456789abcdef") for _ in range(size))


def nginx(random: Random, lines: int) -> list[str]:
    """An access log in the combined format."""
    paths = [
        "/",
        "/cart",
        "/login",
        "/static/app.js",
        "/static/site.css",
        "/api/items",
        "/api/orders",
        "/health",
    ]
    agents = ["Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", "curl/8.5.0",
              "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/126.0 Safari/537.36"]  # fmt: skip
    sizes = {path: random.randrange(200, 40_000) for path in paths}

    def requests() -> Timed:
        for moment in _clock(random, 0.8):
            path = random.choice(paths)
            query = f"?page={random.randrange(40)}" if path.startswith("/api") else ""
            status = random.choices([200, 304, 404, 302, 500], [92, 4, 2, 1.5, 0.3])[0]
            size = (
                int(_lognormal(random, sizes[path], 0.2)) if status == 200 else random.choice([0, 153, 178])
            )
            verb = "POST" if path in ("/login", "/cart") and random.random() < 0.5 else "GET"
            stamp = moment.strftime("%d/%b/%Y:%H:%M:%S +0000")
            yield moment, (
                f'10.{random.randrange(4)}.{random.randrange(6)}.{random.randrange(255)} - - [{stamp}] '
                f'"{verb} {path}{query} HTTP/1.1" {status} {size} "-" "{random.choice(agents)}"'
            )  # fmt: skip

    return [line for _, line in _merged([requests()], lines)]


def heartbeats(random: Random, lines: int) -> list[str]:
    """A small service that reports by the clock."""
    name, pid = random.choice(["ingestd", "billing", "syncer"]), random.randrange(100, 9_000)
    period = random.choice([10, 15, 30])

    def say(moments: Iterator[datetime], text: Callable[[], str]) -> Timed:
        return ((moment, f"{_iso(moment, 0)[:-2]}Z {name}[{pid}]: {text()}") for moment in moments)

    parts = [
        say(_every(random, period), lambda: "heartbeat ok"),
        say(_clock(random, period * 0.7), lambda: f"served {random.randrange(5, 60)} requests"),
        say(_clock(random, period * 2), lambda: f"gc took {_lognormal(random, 14):.0f} ms"),
        say(_every(random, period * 3), lambda: f"cache hit ratio {random.randrange(85, 99)}"),
        say(
            _clock(random, period * 60),
            lambda: f"reconnected to {random.choice(['db1', 'db2'])} after timeout",
        ),
    ]
    return [line for _, line in _merged(parts, lines)]


def backups(random: Random, lines: int) -> list[str]:
    """Jobs with a result, one after the other."""
    hosts = [f"db{n}" for n in range(random.randrange(4, 9))]

    def jobs() -> Timed:
        for number, moment in enumerate(_clock(random, 20)):
            host, bad = random.choice(hosts), random.random() < 0.004
            stamp = f"{moment:%Y-%m-%d %H:%M:%S},{moment.microsecond // 1000:03}"
            yield moment, f"{stamp} INFO  job {number}: backup of {host} to s3://vault/daily started"
            end = moment + timedelta(seconds=_lognormal(random, 5))
            stamp = f"{end:%Y-%m-%d %H:%M:%S},{end.microsecond // 1000:03}"
            if bad:
                yield end, f"{stamp} WARN  job {number}: snapshot of {host} is busy, trying again in 30 s"
            yield (
                end,
                (
                    f"{stamp} INFO  job {number}: backup of {host} finished with result success in "
                    f"{_lognormal(random, 140):.0f} s, {_lognormal(random, 900):.1f} MB"
                ),
            )

    return [line for _, line in _merged([jobs()], lines)]


def sshd(random: Random, lines: int) -> list[str]:
    """A bastion: people, robots, and those who guess."""
    people, guesses = (
        ["amy", "deploy", "raj", "root"],
        ["admin", "test", "oracle", "ubuntu", "git", "pi", "guest"],
    )

    def sessions() -> Timed:
        pid = random.randrange(1_000, 30_000)
        for moment in _clock(random, 25):
            pid += random.randrange(1, 40)
            head = f"bastion sshd[{pid}]:"
            port, user = random.randrange(20_000, 65_000), random.choice(people)
            ip = f"10.1.{random.randrange(3)}.{random.randrange(40)}"
            if random.random() < 0.3:
                ip, user = (
                    f"{random.randrange(40, 220)}.{random.randrange(255)}.7.{random.randrange(255)}",
                    random.choice(guesses),
                )
                text = [f"Invalid user {user} from {ip} port {port}",
                        f"Failed password for invalid user {user} from {ip} port {port} ssh2",
                        f"Connection closed by invalid user {user} {ip} port {port} [preauth]"]  # fmt: skip
            else:
                text = [f"Accepted publickey for {user} from {ip} port {port} ssh2: ED25519 SHA256:{_hex(random, 20)}",
                        f"pam_unix(sshd:session): session opened for user {user} by (uid=0)",
                        f"Received disconnect from {ip} port {port}:11: disconnected by user",
                        f"pam_unix(sshd:session): session closed for user {user}"]  # fmt: skip
            for line in text:
                yield moment, f"{_syslog(moment)} {head} {line}"
                moment += timedelta(seconds=random.random() * 4)

    return [line for _, line in _merged([sessions()], lines)]


def kubelet(random: Random, lines: int) -> list[str]:
    """A node agent in klog's format."""
    pods = [
        f"{app}-{_hex(random, 9)}-{_hex(random, 5)}"
        for app in ("web", "api", "worker", "cron")
        for _ in range(3)
    ]
    pid = random.randrange(900, 3_000)

    def head(moment: datetime, level: str, where: str) -> str:
        return f"{level}{moment:%m%d %H:%M:%S}.{moment.microsecond:06} {pid:7} {where}]"

    def probes() -> Timed:
        for moment in _every(random, 2, 0.2):
            pod = random.choice(pods)
            status = "Healthy" if random.random() > 0.01 else "Unhealthy"
            yield (
                moment,
                f'{head(moment, "I", "prober.go:107")} "Probe {status.lower()}" pod="prod/{pod}" took="{_lognormal(random, 3):.3f}ms"',
            )

    def syncs() -> Timed:
        for moment in _every(random, 10, 0.1):
            yield moment, f'{head(moment, "I", "kubelet.go:2421")} "SyncLoop (housekeeping)" pods={len(pods)}'

    def images() -> Timed:
        for moment in _clock(random, 200):
            yield (
                moment,
                f'{head(moment, "W", "image_gc.go:310")} "Disk usage on image filesystem is over the low threshold" usage={random.randrange(60, 84)}',
            )

    def volumes() -> Timed:
        for moment in _clock(random, 8):
            yield (
                moment,
                f'{head(moment, "I", "reconciler.go:224")} "operationExecutor.VerifyControllerAttachedVolume started for volume" volume="config-{random.randrange(9)}" pod="prod/{random.choice(pods)}"',
            )

    return [line for _, line in _merged([probes(), syncs(), images(), volumes()], lines)]


def postgres(random: Random, lines: int) -> list[str]:
    """A database that logs what is slow, and its checkpoints."""
    tables = ["orders", "items", "stock", "users"]

    def stamp(moment: datetime) -> str:
        return (
            f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03} UTC [{random.randrange(200, 9_000)}]"
        )

    def sessions() -> Timed:
        for moment in _clock(random, 3):
            host, port = f"10.0.0.{random.randrange(2, 30)}", random.randrange(30_000, 60_000)
            yield moment, f"{stamp(moment)} LOG:  connection received: host={host} port={port}"
            yield (
                moment,
                f"{stamp(moment)} LOG:  connection authorized: user=shop database=shop application_name=web",
            )

    def slow() -> Timed:
        for moment in _clock(random, 4):
            table = random.choice(tables)
            yield (
                moment,
                f"{stamp(moment)} LOG:  duration: {_lognormal(random, 280):.3f} ms  statement: SELECT * FROM {table} WHERE id = {random.randrange(9_999)}",
            )

    def checkpoints() -> Timed:
        for moment in _every(random, 60):
            yield moment, f"{stamp(moment)} LOG:  checkpoint starting: time"
            yield (
                moment + timedelta(seconds=4),
                f"{stamp(moment)} LOG:  checkpoint complete: wrote {_lognormal(random, 300):.0f} buffers ({random.uniform(0.5, 4):.1f}%); 0 WAL file(s) added, {random.randrange(2)} removed; sync={_lognormal(random, 0.02):.3f} s",
            )

    def errors() -> Timed:
        for moment in _clock(random, 120):
            yield (
                moment,
                f'{stamp(moment)} ERROR:  duplicate key value violates unique constraint "{random.choice(tables)}_pkey"',
            )

    return [line for _, line in _merged([sessions(), slow(), checkpoints(), errors()], lines)]


def worker(random: Random, lines: int) -> list[str]:
    """A queue worker that writes JSON."""
    kinds, host = (
        ["mail.send", "invoice.render", "thumbnail.make", "search.index"],
        f"worker-{random.randrange(9)}",
    )

    def line(moment: datetime, level: str, message: str, **more: object) -> str:
        return json.dumps({"ts": _iso(moment, 6), "level": level, "host": host, "msg": message, **more})

    def jobs() -> Timed:
        for moment in _clock(random, 1.5):
            kind, job = random.choice(kinds), _hex(random, 12)
            yield moment, line(moment, "info", "job started", job=job, kind=kind, queue="default")
            took = _lognormal(random, 90 + 40 * len(kind))
            if random.random() < 0.01:
                yield (
                    moment,
                    line(
                        moment,
                        "warning",
                        "job will be retried",
                        job=job,
                        kind=kind,
                        attempt=random.randrange(1, 4),
                    ),
                )
            yield (
                moment + timedelta(milliseconds=took),
                line(
                    moment,
                    "info",
                    "job finished",
                    job=job,
                    kind=kind,
                    result="ok",
                    duration_ms=round(took, 1),
                ),
            )

    def reports() -> Timed:
        for moment in _every(random, 15):
            yield moment, line(moment, "info", "queue depth", depth=random.randrange(3, 40), workers=8)

    return [text for _, text in _merged([jobs(), reports()], lines)]


def journal(random: Random, lines: int) -> list[str]:
    """A host's journal: cron, systemd, DHCP, time."""
    host, pids = random.choice(["host7", "edge-2", "nas"]), count(random.randrange(1_000, 20_000))

    def say(moments: Iterator[datetime], text: Callable[[], list[str]]) -> Timed:
        return (
            (moment, f"{moment.isoformat()[:19]}+00:00 {host} {one}") for moment in moments for one in text()
        )

    def cron() -> list[str]:
        job = random.choice(
            ["/usr/lib/sysstat/sa1 1 1", "run-parts /etc/cron.hourly", "/opt/bin/rotate --quiet"]
        )
        return [f"CRON[{next(pids)}]: pam_unix(cron:session): session opened for user root(uid=0)",
                f"CRON[{next(pids)}]: (root) CMD ({job})",
                f"CRON[{next(pids)}]: pam_unix(cron:session): session closed for user root"]  # fmt: skip

    def unit() -> list[str]:
        name = random.choice(["apt-daily", "logrotate", "fstrim", "certbot", "man-db"])
        return [f"systemd[1]: Starting {name}.service...", f"systemd[1]: {name}.service: Deactivated successfully.",
                f"systemd[1]: Finished {name}.service."]  # fmt: skip

    parts = [
        say(_every(random, 60, 0.001), cron),
        say(_clock(random, 90), unit),
        say(_every(random, 120, 0.05), lambda: [f"dhclient[{612}]: DHCPREQUEST for 10.0.0.7 on eth0 to 10.0.0.1 port 67",
                                              "dhclient[612]: DHCPACK of 10.0.0.7 from 10.0.0.1"]),
        say(_every(random, 30, 0.3), lambda: [f"chronyd[530]: System clock offset {random.gauss(0, 2e-4):.6f} seconds"]),
        say(_clock(random, 900), lambda: ["kernel: TCP: request_sock_TCP: Possible SYN flooding on port 443. Sending cookies."]),
    ]  # fmt: skip
    return [line for _, line in _merged(parts, lines)]


def postfix(random: Random, lines: int) -> list[str]:
    """A mail server."""
    domains = ["example.org", "example.net", "mail.test", "corp.example"]

    def mails() -> Timed:
        for moment in _clock(random, 12):
            queue = "".join(random.choice("0123456789ABCDEF") for _ in range(10))
            client = f"unknown[10.2.{random.randrange(9)}.{random.randrange(255)}]"
            status = _pick(random, sent=95, deferred=4, bounced=1)
            reply = {
                "sent": "(250 2.0.0 Ok: queued)",
                "deferred": "(connect to mx: Connection timed out)",
                "bounced": "(550 5.1.1 user unknown)",
            }[status]
            to = f"<user{random.randrange(60)}@{random.choice(domains)}>"
            head = "mail postfix"
            yield (
                moment,
                f"{_syslog(moment)} {head}/smtpd[{random.randrange(900, 4_000)}]: connect from {client}",
            )
            yield (
                moment,
                f"{_syslog(moment)} {head}/smtpd[{random.randrange(900, 4_000)}]: {queue}: client={client}",
            )
            yield (
                moment,
                f"{_syslog(moment)} {head}/qmgr[812]: {queue}: from=<app@shop.example>, size={_lognormal(random, 4_000):.0f}, nrcpt=1 (queue active)",
            )
            moment += timedelta(seconds=random.random() * 2)
            yield (
                moment,
                f"{_syslog(moment)} {head}/smtp[{random.randrange(900, 4_000)}]: {queue}: to={to}, relay=mx.{random.choice(domains)}[10.9.0.4]:25, delay={_lognormal(random, 0.9):.2f}, dsn=2.0.0, status={status} {reply}",
            )
            yield moment, f"{_syslog(moment)} {head}/qmgr[812]: {queue}: removed"

    return [line for _, line in _merged([mails()], lines)]


def _log4j(random: Random, moment: datetime, level: str, where: str, text: str) -> str:
    stamp = f"{moment:%Y-%m-%d %H:%M:%S},{moment.microsecond // 1000:03}"
    return f"{stamp} {level:5} [pool-{random.randrange(1, 3)}-thread-{random.randrange(1, 17)}] c.e.shop.{where} - {text}"


def _orders(random: Random) -> Timed:
    for moment in _clock(random, 1):
        order = random.randrange(100_000, 999_999)
        yield (
            moment,
            _log4j(
                random,
                moment,
                "INFO",
                "OrderService",
                f"order {order} received with {random.randrange(1, 9)} items",
            ),
        )
        if random.random() < 0.01:
            yield (
                moment,
                _log4j(
                    random,
                    moment,
                    "WARN",
                    "StockClient",
                    f"stock service answered slowly: {_lognormal(random, 900):.0f} ms",
                ),
            )
        if random.random() < 0.9:
            yield (
                moment + timedelta(seconds=0.4),
                _log4j(
                    random,
                    moment,
                    "INFO",
                    "PaymentGateway",
                    f"payment for order {order} accepted, took {_lognormal(random, 120):.0f} ms",
                ),
            )


def java(random: Random, lines: int) -> list[str]:
    """A log4j application with levels, threads and classes."""

    def pools() -> Timed:
        for moment in _every(random, 20):
            yield (
                moment,
                _log4j(
                    random,
                    moment,
                    "INFO",
                    "HikariPool",
                    f"pool stats total=20 active={random.randrange(1, 12)} idle={random.randrange(5, 15)} waiting=0",
                ),
            )

    def errors() -> Timed:
        for moment in _clock(random, 240):
            yield (
                moment,
                _log4j(
                    random,
                    moment,
                    "ERROR",
                    "OrderService",
                    f"order {random.randrange(100_000, 999_999)} rejected: card declined",
                ),
            )

    return [text for _, text in _merged([_orders(random), pools(), errors()], lines)]


def haproxy(random: Random, lines: int) -> list[str]:
    """A load balancer: back ends, times in a row, checks."""
    servers = [f"app{n}" for n in range(1, random.randrange(3, 6))]

    def requests() -> Timed:
        for moment in _clock(random, 0.5):
            server, status = (
                random.choice(servers),
                random.choices([200, 201, 304, 404, 503], [88, 5, 4, 2.6, 0.4])[0],
            )
            took = int(_lognormal(random, 35))
            yield (
                moment,
                f'{_syslog(moment)} lb1 haproxy[77]: 10.3.{random.randrange(5)}.{random.randrange(255)}:{random.randrange(20_000, 60_000)} [{moment:%d/%b/%Y:%H:%M:%S}.{moment.microsecond // 1000:03}] web~ shop/{server} 0/0/{random.randrange(3)}/{took}/{took + 1} {status} {int(_lognormal(random, 2_000))} - - ---- {random.randrange(5, 60)}/{random.randrange(5, 60)}/0/0/0 0/0 "GET /p/{random.randrange(400)} HTTP/1.1"',
            )

    def checks() -> Timed:
        for moment in _clock(random, 100):
            yield (
                moment,
                f"{_syslog(moment)} lb1 haproxy[77]: Health check for server shop/{random.choice(servers)} succeeded, reason: Layer7 check passed, code: 200, check duration: {random.randrange(1, 9)}ms, status: 3/3 UP.",
            )

    return [line for _, line in _merged([requests(), checks()], lines)]


def broker(random: Random, lines: int) -> list[str]:
    """A message broker in logfmt, with replicas that report in turn."""

    def line(moment: datetime, level: str, text: str) -> str:
        return f"time={_iso(moment)} level={level} {text}"

    def replica(number: int) -> Timed:
        for moment in _every(random, 6, 0.05):
            yield (
                moment,
                line(
                    moment,
                    "info",
                    f'msg="replica caught up" replica={number} lag={random.randrange(0, 30)} offset={int(moment.timestamp() * 7) % 10_000_000}',
                ),
            )

    def produce() -> Timed:
        for moment in _clock(random, 1.2):
            topic = _pick(random, orders=60, clicks=30, audit=10)
            yield (
                moment,
                line(
                    moment,
                    "info",
                    f'msg="batch written" topic={topic} partition={random.randrange(12)} bytes={_lognormal(random, 5_000):.0f} took={_lognormal(random, 8):.1f}',
                ),
            )

    def rolls() -> Timed:
        for moment in _clock(random, 75):
            yield (
                moment,
                line(
                    moment,
                    "info",
                    f'msg="segment rolled" topic={_pick(random, orders=60, clicks=30)} segment={_hex(random, 16)}',
                ),
            )

    def warnings() -> Timed:
        for moment in _clock(random, 180):
            yield moment, line(moment, "warn", f'msg="slow fsync" took={_lognormal(random, 300):.0f}')

    return [
        text
        for _, text in _merged([replica(1), replica(2), replica(3), produce(), rolls(), warnings()], lines)
    ]


SYSTEMS: dict[str, Callable[[Random, int], list[str]]] = {
    "nginx": nginx, "heartbeats": heartbeats, "sshd": sshd, "worker": worker, "java": java, "broker": broker,
    "backups": backups, "kubelet": kubelet, "postgres": postgres, "journal": journal, "postfix": postfix,
    "haproxy": haproxy,
}  # fmt: skip
TUNED_ON = ("nginx", "heartbeats", "sshd", "worker", "java", "broker")
HELD_OUT = tuple(name for name in SYSTEMS if name not in TUNED_ON)
