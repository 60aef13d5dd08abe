"""``detect --cluster``: the same anomalies as on one machine, by workers that may be killed."""

from __future__ import annotations

import io
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from django.core.management import CommandError, call_command

from anomalies.management import cluster as on_cluster
from anomalies.models import Anomaly, PerformanceMetric
from tests.support.processes import manage, wait_until

from .dask_cluster import Cluster, cluster
from .test_detect import log_with_fault
from .test_detect_kinds import measured, prompts, traces, written

pytestmark = [pytest.mark.django_db(transaction=True, serialized_rollback=True), pytest.mark.slow]

FOUND = [
    each.name
    for each in Anomaly._meta.concrete_fields
    if each.name not in ("id", "created_at", "updated_at", "metadata")
]


@pytest.fixture(scope="module")
def pair(tmp_path_factory, django_db_setup, django_db_blocker) -> Iterator[Cluster]:
    """A scheduler and two workers."""
    with django_db_blocker.unblock(), cluster(tmp_path_factory.mktemp("dask"), workers=2) as made:
        yield made


@pytest.fixture
def folder(tmp_path) -> Path:
    """Sources of four kinds."""
    (tmp_path / "logs").mkdir()
    for number in range(3):
        written(tmp_path / "logs" / f"web{number}.log", log_with_fault(at=300 + number))
    written(tmp_path / "logs" / "host.csv", measured())
    written(tmp_path / "logs" / "calls.jsonl", traces())
    written(tmp_path / "logs" / "prompts.jsonl", prompts())
    return tmp_path / "logs"


def detect(*arguments: object, host: str = "web1") -> str:
    err = io.StringIO()
    call_command("detect", *map(str, arguments), "--by", "op", "--host", host, stderr=err)
    return err.getvalue()


def found(host: str) -> list[tuple[object, ...]]:
    """All that is stored of a host's anomalies and does not name it."""
    rows = []
    for each in Anomaly.objects.filter(metadata__host=host):
        about = {key: value for key, value in each.metadata.items() if key != "host"}
        rows.append((*(str(getattr(each, name)) for name in FOUND), str(sorted(about.items()))))
    return sorted(rows)


def test_a_cluster_finds_what_one_machine_finds_to_the_last_digit(folder, pair):
    detect(folder, host="alone")
    said = detect(folder, "--cluster", pair.address, host="shared")
    assert found("shared") == found("alone") != []
    assert "total: events 3" in said and "new 0" not in said
    runs = PerformanceMetric.objects.filter(metric_type="detection", metadata__stream_type="metrics")
    assert runs.count() == 2


def test_the_sources_of_a_killed_worker_are_read_again_and_nothing_is_stored_twice(tmp_path):
    for number in range(6):
        lines = log_with_fault(at=500 + number, lines=4_000)
        written(tmp_path / f"web{number}.log", [f"2026-11-23T09:59:59Z web: began as {number}", *lines])
    (tmp_path / "dask").mkdir()
    with cluster(tmp_path / "dask") as made:
        nanny = psutil.Process(made.add_worker().pid)
        command = manage(
            "detect", *map(str, sorted(tmp_path.glob("*.log"))), "--host", "shared", "--cluster", made.address
        )
        wait_until(Anomaly.objects.filter(metadata__host="shared").exists)
        killed = [child for child in nanny.children() if "spawn_main" in " ".join(child.cmdline())]
        for child in killed:
            os.kill(child.pid, signal.SIGKILL)
        _, said = command.communicate()
    assert killed and command.returncode == 0, said
    detect(*sorted(tmp_path.glob("*.log")), host="alone")
    assert found("shared") == found("alone") != []


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"engine": lambda: "0"}, "runs another release of Driftlock; install the same one"),
        ({"_database": lambda: ("1", "other", "public")}, "has another database; set the same DATABASE_URL"),
    ],
)
def test_a_worker_with_another_release_or_database_stores_nothing(folder, pair, changed, said, monkeypatch):
    for name, value in changed.items():
        monkeypatch.setattr(on_cluster, name, value)
    with pytest.raises(CommandError, match=f"can't finish web0.log: worker .* {said}"):
        detect(folder / "web0.log", "--cluster", pair.address)
    assert not Anomaly.objects.exists()


def test_a_source_that_cannot_be_read_fails_alone_and_names_the_worker(folder, pair):
    with pytest.raises(CommandError, match=r"can't read .*missing.log: .* \(worker .*\)$"):
        detect(folder, folder / "missing.log", "--cluster", pair.address)
    assert Anomaly.objects.filter(metadata__file="web2.log").exists()


def test_a_scheduler_that_does_not_answer_is_named_with_the_fix(folder, monkeypatch):
    monkeypatch.setattr(on_cluster, "_CONNECTING", 0.2)
    with pytest.raises(
        CommandError, match=r"can.t reach a Dask scheduler at tcp://127\.0\.0\.1:9: .*dask scheduler"
    ):
        detect(folder, "--cluster", "tcp://127.0.0.1:9")


def test_an_address_that_is_none_is_refused(folder):
    with pytest.raises(CommandError, match="can't reach a Dask scheduler at nonsense"):
        detect(folder, "--cluster", "nonsense://x")


def test_a_cluster_without_workers_is_given_up_with_the_fix(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(on_cluster, "_PATIENCE", 1)
    monkeypatch.setattr(on_cluster, "_WAITING", 0.1)
    (tmp_path / "dask").mkdir()
    with (
        cluster(tmp_path / "dask") as made,
        pytest.raises(CommandError, match=r"no worker\. Start some with"),
    ):
        detect(folder, "--cluster", made.address)


@pytest.mark.parametrize("arguments", [["-"], ["a.log", "--follow"]])
def test_what_only_one_machine_sees_is_not_for_a_cluster(arguments):
    with pytest.raises(CommandError, match="--cluster is for files and folders that all of its workers see"):
        detect(*arguments, "--cluster", "tcp://127.0.0.1:9")
