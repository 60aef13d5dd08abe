"""The server that comes along: who starts it, who shares it, who stops it, and what it survives."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg
import pytest

from driftlock.embedded_postgres.server import Address, EmbeddedServer, EmbeddedServerError
from tests.support.memory_folder import temporary_folder
from tests.support.processes import wait_until

ROOT = Path(__file__).parents[2]
AS_ROOT = os.geteuid() == 0
NOBODY = 65534
FAST = {"fsync": "off"}

USE_SERVER = """
import json, sys
from pathlib import Path
from driftlock.embedded_postgres.server import EmbeddedServer
server = EmbeddedServer(Path(sys.argv[1]), {"fsync": "off"})
address = server.ensure_running()
print(json.dumps([address.socket_folder, address.pid]), flush=True)
"""
AND_WAIT = USE_SERVER + "sys.stdin.read()"
# The parent leaves at once; the child says so in a line of its own.
AND_FORK = """
import os, time
parent = os.getpid()
if os.fork() == 0:
    while os.getppid() == parent:
        time.sleep(0.01)
    address = server.ensure_running()
    print(json.dumps([address.socket_folder, address.pid]), flush=True)
    sys.stdin.read()
"""


# As a container's first process may be: the server of a killed client becomes its child, and stays a zombie.
ADOPT_AND_NEVER_REAP = """
import ctypes, subprocess, sys
PR_SET_CHILD_SUBREAPER = 36
ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
program, home = sys.argv[1:]
subprocess.run([sys.executable, "-c", program + "import os; os._exit(0)", home], check=True)
subprocess.run([sys.executable, "-c", program, home], check=True)
"""


@pytest.fixture
def bare_home() -> Iterator[Path]:
    """A short path without a cluster, closed to everybody but us; what still runs in it is ended."""
    folder = Path(temporary_folder("dl-"))
    yield folder / "data"
    end_servers_below(folder)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Path]:
    """A stopped cluster to copy: initdb takes ten times as long as the rest of a test."""
    home = Path(temporary_folder("dl-"))
    made = EmbeddedServer(home, FAST)
    made.ensure_running()
    made.release()
    yield made.data
    shutil.rmtree(home)


@pytest.fixture
def home(bare_home, cluster) -> Path:
    """The same with a cluster in it that is not running."""
    return furnished(bare_home, cluster)


def furnished(home: Path, cluster: Path) -> Path:
    home.mkdir(parents=True)
    subprocess.run(["cp", "-a", str(cluster), str(home)], check=True)
    return home


@pytest.fixture
def server(home) -> Iterator[EmbeddedServer]:
    server = EmbeddedServer(home, FAST)
    yield server
    server.release()


def end_servers_below(folder: Path) -> None:
    for process in psutil.process_iter(["cmdline"]):
        if any(str(folder) in word for word in process.info["cmdline"] or []):
            with suppress(psutil.NoSuchProcess):
                process.kill()


def environment(home: Path) -> dict[str, str]:
    names = ("DATABASE_URL", "DRIFTLOCK_MODE", "DJANGO_SETTINGS_MODULE")
    kept = {name: value for name, value in os.environ.items() if name not in names}
    return {**kept, "DRIFTLOCK_DATA": str(home), "PYTHONPATH": str(ROOT)}


def manage(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "manage.py"), *arguments]
    return subprocess.run(command, env=environment(home), capture_output=True, text=True, timeout=600)


class Client:
    """A process of its own that holds on to the server until it is let go."""

    def __init__(self, home: Path, program: str = AND_WAIT) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", program, str(home)],
            env=environment(home),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def address(self) -> Address:
        """Wait for its next line and return it."""
        return Address(*json.loads(self.process.stdout.readline()))

    def leave(self) -> None:
        self.process.communicate()

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def client(home) -> Iterator[Callable[..., Client]]:
    clients: list[Client] = []

    def start(program: str = AND_WAIT) -> Client:
        clients.append(Client(home, program))
        return clients[-1]

    yield start
    for each in clients:
        if each.process.returncode is None:
            each.kill()


def connect(address: Address) -> psycopg.Connection:
    where = {"host": address.socket_folder, "port": address.port, "user": address.user}
    return psycopg.connect(**where, dbname="postgres", autocommit=True)


def answers(address: Address) -> bool:
    with connect(address) as connection:
        return connection.execute("SELECT 1").fetchone() == (1,)


def runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def kill_and_wait(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not runs(pid))


# --- starting -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [["help"], ["check"], ["up", "--help"]])
def test_a_command_that_needs_no_database_makes_no_folder(bare_home, arguments):
    assert manage(bare_home, *arguments).returncode == 0
    assert not bare_home.exists()


def test_reading_the_settings_makes_no_folder(bare_home):
    program = "import django; django.setup(); from django.db import connection; connection.settings_dict"
    settings = {"DJANGO_SETTINGS_MODULE": "driftlock.settings"}
    subprocess.run([sys.executable, "-c", program], env=environment(bare_home) | settings, check=True)
    assert not bare_home.exists()


def test_a_server_that_was_only_described_makes_no_folder(bare_home):
    EmbeddedServer(bare_home).release()
    assert not bare_home.exists()


def test_the_first_connection_starts_the_server(server):
    assert answers(server.ensure_running())


def test_asked_again_it_is_the_same_server(server):
    assert server.ensure_running() == server.ensure_running()


def test_no_network_can_reach_the_server(server):
    with connect(server.ensure_running()) as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)


def test_text_is_stored_as_utf8_and_sorted_the_same_on_every_machine(server):
    query = "SELECT pg_encoding_to_char(encoding), datlocprovider, datlocale FROM pg_database"
    with connect(server.ensure_running()) as connection:
        assert set(connection.execute(query)) == {("UTF8", "b", "C.UTF-8")}


def test_nobody_else_may_enter_the_folder_of_the_data_and_the_socket(server):
    address = server.ensure_running()
    modes = [Path(folder).stat().st_mode & 0o077 for folder in (server.data, address.socket_folder)]
    assert modes == [0, 0]


def test_variables_meant_for_clients_do_not_reach_the_server(server, monkeypatch):
    monkeypatch.setenv("PGPORT", "1")
    monkeypatch.setenv("PGDATA", "/nowhere")
    monkeypatch.setenv("LC_ALL", "xx_XX")
    assert answers(server.ensure_running())


def test_a_leftover_of_an_interrupted_initdb_is_no_obstacle(bare_home):
    (bare_home / "postgres.unfinished-1" / "base").mkdir(parents=True)
    server = EmbeddedServer(bare_home, FAST)
    assert answers(server.ensure_running())
    assert not list(bare_home.glob("postgres.unfinished*"))
    server.release()


@pytest.mark.slow
def test_an_initdb_whose_process_was_killed_is_no_obstacle(bare_home):
    killed = Client(bare_home)
    wait_until(lambda: list(bare_home.glob("postgres.unfinished*/base")))
    killed.kill()
    server = EmbeddedServer(bare_home, FAST)
    assert answers(server.ensure_running())
    server.release()


# --- sharing --------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_processes_that_start_at_once_share_one_server(client):
    clients = [client() for _ in range(6)]
    assert len({each.address() for each in clients}) == 1


def test_the_server_goes_on_while_anybody_uses_it(server, client):
    other = client()
    address = other.address()
    server.ensure_running()
    other.leave()
    assert answers(address)


def test_the_last_one_out_stops_the_server(server, client):
    other = client()
    address = server.ensure_running()
    other.address()
    server.release()
    assert runs(address.pid)
    other.leave()
    assert not runs(address.pid)


def test_a_stopped_server_leaves_no_pid_file_and_no_socket(server):
    server.ensure_running()
    server.release()
    assert [p.name for p in server.data.glob("*") if p.name == "postmaster.pid"] == []
    assert list(server.data.glob(".s.PGSQL*")) == []


def test_a_stopped_server_starts_again_with_its_data(server):
    with connect(server.ensure_running()) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS seven")
    server.release()
    with connect(server.ensure_running()) as connection:
        assert connection.execute("SELECT seven FROM kept").fetchone() == (7,)


def test_an_idle_connection_does_not_hold_up_the_stop(server):
    address = server.ensure_running()
    with connect(address):
        server.release()
    assert not runs(address.pid)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a process adopt orphans")
def test_a_server_that_nobody_reaps_does_not_hold_up_the_stop(home):
    waits_long = "from driftlock.embedded_postgres import server; server._STOP_SECONDS = 3600\n"
    command = [sys.executable, "-c", ADOPT_AND_NEVER_REAP, waits_long + USE_SERVER, str(home)]
    done = subprocess.run(command, env=environment(home), capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr


def test_a_forked_child_holds_on_to_the_server_by_itself(client):
    family = client(USE_SERVER + AND_FORK)
    before, after = family.address(), family.address()
    assert (after, answers(after)) == (before, True)
    family.leave()
    wait_until(lambda: not runs(before.pid))


# --- after a crash --------------------------------------------------------------------------------------


def test_the_server_of_a_killed_client_is_used_on_and_then_stopped(server, client):
    killed = client()
    left_over = killed.address()
    killed.kill()
    assert server.ensure_running() == left_over
    server.release()
    assert not runs(left_over.pid)


def test_after_the_postmaster_was_killed_the_same_process_gets_a_new_one(server):
    killed = server.ensure_running().pid
    kill_and_wait(killed)
    address = server.ensure_running()
    assert address.pid != killed
    assert answers(address)


def test_after_the_postmaster_was_killed_another_process_gets_a_new_one(server, client):
    other = client()
    killed = other.address().pid
    kill_and_wait(killed)
    assert answers(server.ensure_running())


def test_what_was_committed_before_the_kill_is_there_after_it(server):
    address = server.ensure_running()
    with connect(address) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS seven")
    kill_and_wait(address.pid)
    with connect(server.ensure_running()) as connection:
        assert connection.execute("SELECT seven FROM kept").fetchone() == (7,)


@pytest.mark.slow
def test_a_query_that_outlives_its_killed_postmaster_is_waited_for(server):
    address = server.ensure_running()
    busy = threading.Thread(target=count_for_a_while, args=[address])
    busy.start()
    time.sleep(0.3)
    kill_and_wait(address.pid)
    assert answers(server.ensure_running())
    busy.join()


def count_for_a_while(address: Address) -> None:
    with suppress(psycopg.OperationalError), connect(address) as connection:
        connection.execute("SELECT sum(n::numeric) FROM generate_series(1, 8000000) AS n")


def test_lock_files_that_name_an_unrelated_process_are_cleared(server):
    server.ensure_running()
    names = ("postmaster.pid", ".s.PGSQL.5432.lock")
    left = {name: (server.data / name).read_text().splitlines()[1:] for name in names}
    server.release()
    for name, lines in left.items():
        (server.data / name).write_text("\n".join([str(os.getpid()), *lines, ""]))
    assert answers(server.ensure_running())


@pytest.mark.parametrize("text", ["", "nonsense\n", "0\n", "99999999999999999999\n"])
def test_a_pid_file_that_names_nobody_is_cleared(server, text):
    server.ensure_running()
    server.release()
    (server.data / "postmaster.pid").write_text(text)
    assert answers(server.ensure_running())


# --- where it can live ----------------------------------------------------------------------------------

ODD_NAMES = [
    "a space",
    "a,comma",
    "o'quote",
    'a "double" one',
    "Größe 李",
    "back\\slash",
    "50% $HOME",
    "-x=y",
]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_an_odd_path_works(bare_home, cluster, name):
    server = EmbeddedServer(furnished(bare_home / name, cluster), FAST)
    assert answers(server.ensure_running())
    server.release()


def test_a_path_too_long_for_a_socket_works_with_the_socket_elsewhere(bare_home, cluster):
    server = EmbeddedServer(furnished(bare_home / ("x" * 150), cluster), FAST)
    folder = Path(server.ensure_running().socket_folder)
    assert answers(server.ensure_running())
    assert folder != server.data
    server.release()
    assert not folder.exists()


def test_a_socket_elsewhere_is_cleared_away_after_a_kill(bare_home, cluster):
    server = EmbeddedServer(furnished(bare_home / "a,comma", cluster), FAST)
    address = server.ensure_running()
    kill_and_wait(address.pid)
    assert answers(server.ensure_running())
    assert not Path(address.socket_folder).exists()
    server.release()


def test_a_path_below_a_file_is_one_line_of_error(bare_home):
    bare_home.write_text("a file")
    with pytest.raises(EmbeddedServerError, match=r"can't keep its data in .*DATABASE_URL") as caught:
        EmbeddedServer(bare_home / "data").ensure_running()
    assert "\n" not in str(caught.value)


def test_a_start_that_fails_is_one_line_of_error_and_leaves_no_socket_folder(bare_home, cluster, monkeypatch):
    # Other tests start servers beside this one, so it has a folder for temporary files of its own.
    temporary = bare_home.parent / "tmp"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    server = EmbeddedServer(furnished(bare_home / "a,comma", cluster), {"shared_buffers": "nonsense"})
    with pytest.raises(EmbeddedServerError, match=r"did not start: .*shared_buffers") as caught:
        server.ensure_running()
    assert "\n" not in str(caught.value)
    assert list(temporary.iterdir()) == []
    server.release()


def test_a_fork_after_the_folder_was_deleted_raises_nothing(server):
    server.ensure_running()
    kill_and_wait(server.ensure_running().pid)
    shutil.rmtree(server.home)
    child = os.fork()
    if not child:
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0


def test_an_old_failure_in_the_log_is_not_given_as_the_reason_of_a_new_one(home):
    (home / "server.log").write_text("FATAL:  of last year\n")
    server = EmbeddedServer(home, {"nonsense": "1"})
    with pytest.raises(EmbeddedServerError, match=r'did not start: .*"nonsense"'):
        server.ensure_running()
    server.release()


def test_a_failing_start_is_an_operational_error_to_django(bare_home):
    bare_home.write_text("a file")
    done = manage(bare_home / "data", "shell", "-c", "from django.db import connection; connection.cursor()")
    assert done.stderr.splitlines()[-1].startswith("the database failed: the embedded PostgreSQL")


# --- as whom it runs ------------------------------------------------------------------------------------

as_root = pytest.mark.skipif(not AS_ROOT, reason="only root can become somebody else")


def user_of(pid: int) -> int:
    return psutil.Process(pid).uids().effective


def capabilities_of(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("CapEff")).split()[1], 16)


@as_root
def test_as_root_in_a_folder_open_to_all_the_server_is_nobody_without_capabilities(server, home):
    home.parent.chmod(0o755)
    pid = server.ensure_running().pid
    assert (user_of(pid), capabilities_of(pid)) == (NOBODY, 0)


@as_root
def test_as_root_in_a_folder_closed_to_others_the_server_is_nobody_with_one_capability(server, home):
    home.parent.chmod(0o700)
    pid = server.ensure_running().pid
    assert (user_of(pid), capabilities_of(pid).bit_count()) == (NOBODY, 1)


@as_root
def test_as_root_in_a_folder_of_somebody_elses_the_server_is_that_user(bare_home):
    os.chown(bare_home.parent, 1, 1)
    server = EmbeddedServer(bare_home, FAST)
    assert user_of(server.ensure_running().pid) == 1
    server.release()


def as_user(uid: int, home: Path, program: str = USE_SERVER) -> subprocess.CompletedProcess[str]:
    """Run a program that has imported what it needs and then is this user for good."""
    become = (
        f"import os; os.setgroups([]); os.setresgid({uid}, {uid}, {uid}); os.setresuid({uid}, {uid}, {uid})\n"
    )
    imports, rest = program.split("server = ", 1)
    command = [sys.executable, "-c", f"{imports}{become}server = {rest}", str(home)]
    return subprocess.run(command, env=environment(home), capture_output=True, text=True, timeout=600)


@as_root
def test_somebody_who_is_not_root_runs_the_server_himself(bare_home):
    os.chown(bare_home.parent, NOBODY, NOBODY)
    done = as_user(NOBODY, bare_home, USE_SERVER + "os.system(f'ps -o uid= -p {address.pid}')")
    assert done.stdout.splitlines()[-1].strip() == str(NOBODY)


@as_root
def test_a_folder_that_cannot_be_written_to_is_one_line_of_error(bare_home):
    bare_home.parent.chmod(0o755)
    done = as_user(NOBODY, bare_home)
    (line,) = [line for line in done.stderr.splitlines() if "EmbeddedServerError: " in line]
    assert f"can't keep its data in {bare_home}: Permission denied" in line


@as_root
def test_data_of_another_user_is_one_line_of_error(server, home):
    server.ensure_running()
    for path in (home.parent, home, home / "start.lock", home / "users.lock"):
        path.chmod(0o777)
    (line,) = [x for x in as_user(1, home).stderr.splitlines() if "EmbeddedServerError: " in x]
    assert "belongs to another user" in line


# --- the tools that come along --------------------------------------------------------------------------


@pytest.mark.slow
def test_dbshell_asks_the_server_and_stops_it_behind_itself(home):
    done = manage(home, "dbshell", "--", "-Atc", "select current_database()")
    assert (done.returncode, done.stdout) == (0, "driftlock\n")
    assert not (home / "postgres" / "postmaster.pid").exists()


@pytest.mark.slow
def test_dbshell_fails_where_its_statement_does(home):
    done = manage(home, "dbshell", "--", "-c", "select nonsense")
    assert done.returncode != 0
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_processes_that_want_the_database_at_once_make_it_once(client):
    make = "from driftlock.embedded_postgres.base import _ensure_database\n" + AND_WAIT.replace(
        "print", "_ensure_database(address, 'a \"name\"')\nprint"
    )
    clients = [client(make) for _ in range(4)]
    addresses = [each.address() for each in clients]
    with connect(addresses[0]) as connection:
        found = connection.execute("SELECT count(*) FROM pg_database WHERE datname = 'a \"name\"'")
        assert found.fetchone() == (1,)
