"""OTLP over HTTP: log records accepted and judged a second, beside what no receiver can do without.

    .venv/bin/python benchmarks/otlp/__main__.py [--records 1000] [--requests 50] [--rounds 5]

Everything runs on one core, PostgreSQL too. Requests go through Django and all of its middleware in this
process, without a socket, each with other records. The yardsticks, in turns with them: decoding the request
by protobuf alone, and one INSERT of its compressed bytes with a commit. A figure is the median of the rounds.
"""

from __future__ import annotations

import argparse
import gzip
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parent.parent), str(Path(__file__).resolve().parents[2])]

from api import program  # noqa: E402
from ingest import own_database  # noqa: E402
from verdict import verdict  # noqa: E402

ACCEPTED = 20_000  # records a second, at least
PROTOBUF, JSON = "application/x-protobuf", "application/json"
_BEGIN = 1_795_000_000 * 10**9  # nanoseconds since 1970


def main() -> None:
    """Measure, and print the rates and their ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--records", type=int, default=1_000, help="of a request")
    parser.add_argument("--requests", type=int, default=50, help="of a round")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # the database's processes inherit it
    with tempfile.TemporaryDirectory(prefix="driftlock-bench-") as folder, own_database(folder):
        rates = measured(given.records, given.requests, given.rounds)
    report(rates, given.records)


def measured(records: int, requests: int, rounds: int) -> dict[str, float]:
    """Return the records a second of each way."""
    client, taken = program(), {}
    for number in range(rounds):
        for name, (run, bodies) in ways(client, records, requests, number).items():
            empty()
            began = time.perf_counter()
            for body in bodies:
                run(body)
            taken.setdefault(name, []).append(time.perf_counter() - began)
        taken.setdefault("judged", []).append(judged())
    return {name: records * requests / statistics.median(seconds) for name, seconds in taken.items()}


def ways(
    client: Any, records: int, requests: int, number: int
) -> dict[str, tuple[Callable[[bytes], Any], list[bytes]]]:
    """Return what is measured: a function of a body, and the bodies. The one that is judged is last."""
    import zstandard
    from django.db import connection
    from google.protobuf.json_format import MessageToDict
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

    first = number * requests
    bodies = [request(records, (first + one) * records) for one in range(requests)]
    plain = [request(records, (first + one) * records) for one in range(requests)]
    packed = [gzip.compress(body, 1) for body in bodies]
    pack = zstandard.ZstdCompressor(level=1).compress

    def insert(body: bytes) -> None:
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO bench_bodies (body) VALUES (%s)", [pack(body)])

    def post(body: bytes, media_type: str = PROTOBUF, **headers: str) -> None:
        answer = client.post("/v1/logs", body, content_type=media_type, headers=headers)
        assert (answer.status_code, len(answer.content)) in ((200, 0), (200, 2)), answer.content

    in_json = [as_json(MessageToDict(ExportLogsServiceRequest.FromString(body))) for body in bodies[:5]]
    return {
        "decoding": (ExportLogsServiceRequest.FromString, bodies),
        "raw INSERT": (insert, bodies),
        "gzip": (lambda body: post(body, content_encoding="gzip"), packed),
        "JSON": (lambda body: post(body, JSON), in_json * (requests // 5)),
        "protobuf": (post, plain),
    }


def as_json(request: dict[str, Any]) -> bytes:
    """Return a request as OTLP's JSON form, whose ids are hexadecimal."""
    import json
    from base64 import b64decode

    for holder in request["resourceLogs"]:
        for scope in holder["scopeLogs"]:
            for record in scope["logRecords"]:
                record["traceId"] = b64decode(record["traceId"]).hex()
    return json.dumps(request).encode()


def request(records: int, first: int) -> bytes:
    """Return a request with records of 150 bytes, as a web service's SDK sends them."""
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

    made = ExportLogsServiceRequest()
    holder = made.resource_logs.add()
    for key, value in (("service.name", "checkout"), ("host.name", "web-1"), ("service.version", "1.4")):
        holder.resource.attributes.add(key=key, value=AnyValue(string_value=value))
    scope = holder.scope_logs.add()
    scope.scope.name = "app.orders"
    for number in range(first, first + records):
        text = f"order {number} accepted for customer {number * 7919 % 997} in {number * 31 % 83} ms"
        scope.log_records.add(
            time_unix_nano=_BEGIN + number * 10**6,
            observed_time_unix_nano=_BEGIN + number * 10**6,
            severity_number=9,
            severity_text="INFO",
            body=AnyValue(string_value=text),
            attributes=[KeyValue(key="http.route", value=AnyValue(string_value="/orders"))],
            trace_id=number.to_bytes(16, "big"),
        )
    return made.SerializeToString()


def empty() -> None:
    """Let nothing wait, and nothing be known."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS bench_bodies (id bigserial PRIMARY KEY, body bytea)")
        cursor.execute("TRUNCATE bench_bodies, incoming_batches, detector_streams")


def judged() -> float:
    """Return the seconds that the worker takes for what waits."""
    from anomalies.ingest.otlp import Judge

    judge, began = Judge(), time.perf_counter()
    while judge.run_once():
        pass
    return time.perf_counter() - began


def report(rates: dict[str, float], records: int) -> None:
    """Print the rates, and the ratio of each to the two yardsticks one after the other."""
    least = 1 / (1 / rates["decoding"] + 1 / rates["raw INSERT"])
    print(f"{records:,} records a request, one core with PostgreSQL on it; records a second")
    for name in ("decoding", "raw INSERT"):
        print(f"{name:<12}{rates[name]:>12,.0f}")
    for name in ("protobuf", "gzip", "JSON", "judged"):
        target = verdict(round(rates[name]), least=ACCEPTED) if name in ("protobuf", "gzip") else ""
        print(f"{name:<12}{rates[name]:>12,.0f}{rates[name] / least:>8.2f} of decoding and INSERT  {target}")


if __name__ == "__main__":
    main()
