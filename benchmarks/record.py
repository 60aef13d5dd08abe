"""The cost of the audit log: decisions with the audit triggers on, against the same with them off (= 1).

    .venv/bin/python benchmarks/record.py [--rounds 5] [--entries 200000]

A single decision, a bulk of 5,000 with the sealing of its entries behind it, and 16 writers that each work
for 5 ms in their transactions: the same statements, in turns, medians compared. Then `audit verify`, in
entries a second on one core, with COPY of the same entries as the yardstick. Runs as benchmarks/ingest.py
does.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from ingest import own_database
from verdict import verdict

AUDIT = ("audit_anomalies_update", "audit_anomalies_update_evidence")
BULK, WRITERS, WORK = 5_000, 16, 0.005
DECIDE = "UPDATE anomalies SET status = %s, dismissed_by = 'ana', dismissed_at = now() WHERE id = ANY (%s)"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--entries", type=int, default=200_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="driftlock-bench-") as folder, own_database(folder):
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
        from django.conf import settings

        key = Ed25519PrivateKey.generate()
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        settings.SEAL_KEY = pem.decode()
        prepare()
        print(f"{'what':<44}{'off':>12}{'on':>12}{'ratio':>8}  target")
        compare("a decision (ms)", single, given.rounds, 1.4, 1000)
        compare("a bulk of 5,000, sealed behind (ms)", bulk, given.rounds, 5, 1000)
        compare("16 writers, 5 ms of work: a decision (ms)", writers, given.rounds, 1.35, 1000)
        verifying(given.entries, given.rounds)


def run(statement: str, *values: object) -> list[tuple]:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(statement, values or None)
        return cursor.fetchall() if cursor.description else []


def prepare() -> None:
    run("SELECT set_config('driftlock.requires_actor', 'off', false)")
    run(
        "INSERT INTO anomalies (timestamp, stream_type, ncd_score, p_value, glass_box_explanation,"
        " compression_baseline, compression_window, compression_combined, confidence_level, window_data)"
        " SELECT now() - n * interval '1 s', 'logs', 0.7, 0.01, 'row ' || n, 0.2, 0.5, 0.3, 0.99,"
        " jsonb_build_array(repeat('evidence ', 300)) FROM generate_series(1, 20000) AS n"
    )
    run("VACUUM ANALYZE anomalies")


def compare(name: str, work: Callable[[bool], float], rounds: int, target: float, scale: float) -> None:
    """Off and on take turns; the medians, and their ratio."""
    taken: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(rounds):
        for on in (False, True):
            for trigger in AUDIT:
                run(f"ALTER TABLE anomalies {'ENABLE ALWAYS' if on else 'DISABLE'} TRIGGER {trigger}")
            taken[on].append(work(on))
    off, on_ = statistics.median(taken[False]) * scale, statistics.median(taken[True]) * scale
    print(f"{name:<44}{off:>12.3f}{on_:>12.3f}{on_ / off:>8.2f}  {verdict(on_ / off, most=target)}")


def ids(count: int) -> list[object]:
    return [pk for (pk,) in run("SELECT id FROM anomalies ORDER BY random() LIMIT %s", count)]


def single(on: bool) -> float:
    """Seconds of one decision in a transaction of its own, over 500 of them."""
    chosen = ids(500)
    started = time.perf_counter()
    for number, pk in enumerate(chosen):
        run(DECIDE, ("dismissed", "pending")[number % 2], [pk])
    return (time.perf_counter() - started) / len(chosen)


def bulk(on: bool) -> float:
    """Seconds of a bulk decision; with the record on, of sealing what it wrote too."""
    from anomalies.audit.seals import seal

    chosen = ids(BULK)
    if on:
        seal()
    run("UPDATE anomalies SET status = 'pending' WHERE id = ANY (%s)", chosen)
    if on:
        seal()
    started = time.perf_counter()
    run(DECIDE, "dismissed", chosen)
    if on:
        seal()
    return time.perf_counter() - started


def writers(on: bool) -> float:
    """Seconds of a decision where 16 work at once, each 5 ms within its transaction; 20 each."""
    from django.db import connections

    chosen = ids(WRITERS * 20)

    def work(own: list[object]) -> None:
        connection = connections.create_connection("default")
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('driftlock.requires_actor', 'off', false)")
            for pk in own:
                cursor.execute("BEGIN")
                cursor.execute(DECIDE, ["investigating", [pk]])
                time.sleep(WORK)
                cursor.execute("COMMIT")
        connection.close()

    threads = [threading.Thread(target=work, args=(chosen[n::WRITERS],)) for n in range(WRITERS)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return (time.perf_counter() - started) / 20


def verifying(entries: int, rounds: int) -> None:
    """Entries a second that `verify` recomputes, beside COPY of the same."""
    from django.db import transaction

    from anomalies.audit import canonical_rows
    from anomalies.audit.seals import seal
    from anomalies.audit.verification import verify

    for trigger in AUDIT:
        run(f"ALTER TABLE anomalies ENABLE ALWAYS TRIGGER {trigger}")
    while run("SELECT count(*) FROM audit_log")[0][0] < entries:
        run("UPDATE anomalies SET notes = coalesce(notes, '') || '.', status = 'pending'")
    seal()
    count = run("SELECT count(*) FROM audit_log")[0][0]
    verified, copied = [], []
    for _ in range(rounds):
        started = time.perf_counter()
        assert verify().is_sound
        verified.append(time.perf_counter() - started)
        started = time.perf_counter()
        with transaction.atomic():
            assert sum(1 for _ in canonical_rows.rows("true", [])) == count
        copied.append(time.perf_counter() - started)
    rate, yardstick = count / statistics.median(verified), count / statistics.median(copied)
    print(
        f"verify: {rate:,.0f} entries/s of {count:,}; {rate / yardstick:.2f} of COPY alone"
        f"  {verdict(rate, least=50_000)}"
    )


if __name__ == "__main__":
    main()
