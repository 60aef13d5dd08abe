"""The operating-system user that runs the server.

PostgreSQL refuses to run as root, and for good reason. Started by root, the server therefore changes to
another user: the one who owns the data folder or the checkout, else ``nobody``. No user is created and no
permission of a folder above the data is changed.

That user may be unable to reach the data: a checkout below ``/root`` is closed to everybody else. Then,
and only then, the server keeps one capability of root's, CAP_DAC_OVERRIDE, as an ambient capability
(capabilities(7)): its user id is not root's, which is all that PostgreSQL asks, and it can still pass
through the folders above its own.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import stat
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_PR_SET_SECUREBITS = 28
_SECBIT_NO_SETUID_FIXUP = 1 << 2
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_CAP_DAC_OVERRIDE = 1
_LINUX_CAPABILITY_VERSION_3 = 0x20080522


@dataclass(frozen=True, slots=True)
class Identity:
    """A user to run the server as; ``pass_through`` when it needs CAP_DAC_OVERRIDE to reach its files."""

    uid: int
    gid: int
    pass_through: bool

    def command(self, arguments: list[str]) -> list[str]:
        """``arguments`` as a command that becomes this user first.

        A small process of its own does it: running Python between fork and exec (``preexec_fn``) is not
        safe in a process that has threads, and a web server has.
        """
        launcher = [sys.executable, "-I", "-S", __file__]
        return [*launcher, str(self.uid), str(self.gid), str(int(self.pass_through)), *arguments]

    def assume(self) -> None:
        """Become this user, for good."""
        if self.pass_through:
            # Keeps capabilities over the change of user, and lets access(2) count them: initdb asks with it
            # whether "postgres" beside it can be run.
            bits = _SECBIT_NO_SETUID_FIXUP
            _libc_call("prctl", _PR_SET_SECUREBITS, *map(ctypes.c_ulong, (bits, 0, 0, 0)))
        os.setgroups([])
        os.setresgid(self.gid, self.gid, self.gid)
        os.setresuid(self.uid, self.uid, self.uid)
        if self.pass_through:
            _keep_only(_CAP_DAC_OVERRIDE)


def choose_identity(data: Path, checkout: Path, needs: list[Path]) -> Identity | None:
    """The user to run the server as, or None to run it as whoever we are.

    ``data`` is the cluster's folder (it may not exist yet), ``checkout`` a folder whose owner is the next
    best choice, ``needs`` the files that the server must be able to reach.
    """
    if os.geteuid() != 0:
        return None
    for folder in (data, checkout):
        owner = _owner_other_than_root(folder)
        if owner is not None:
            return _reaching(owner, needs)
    return _reaching(pwd.getpwnam("nobody"), needs)


def _owner_other_than_root(folder: Path) -> pwd.struct_passwd | None:
    try:
        uid = folder.stat().st_uid
        # initdb asks for its own name, so an id without an entry in the user database is of no use.
        return pwd.getpwuid(uid) if uid != 0 else None
    except (FileNotFoundError, KeyError):
        return None


def _reaching(user: pwd.struct_passwd, needs: list[Path]) -> Identity:
    reachable = all(_can_reach(user, path) for path in needs)
    return Identity(user.pw_uid, user.pw_gid, pass_through=not reachable)


def _can_reach(user: pwd.struct_passwd, path: Path) -> bool:
    """Return True if the user may traverse every folder above ``path`` and execute (or enter) ``path``."""
    return all(_may_execute(user, step) for step in (path, *path.parents))


def _may_execute(user: pwd.struct_passwd, path: Path) -> bool:
    found = path.stat()
    if found.st_uid == user.pw_uid:
        return bool(found.st_mode & stat.S_IXUSR)
    if found.st_gid == user.pw_gid:
        return bool(found.st_mode & stat.S_IXGRP)
    return bool(found.st_mode & stat.S_IXOTH)


class _CapHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _CapData(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def _keep_only(capability: int) -> None:
    """Drop every capability but one, and let that one survive exec."""
    header = _CapHeader(_LINUX_CAPABILITY_VERSION_3, 0)
    data = (_CapData * 2)()
    data[0] = _CapData(1 << capability, 1 << capability, 1 << capability)
    _libc_call("capset", ctypes.byref(header), data)
    _libc_call("prctl", _PR_CAP_AMBIENT, *map(ctypes.c_ulong, (_PR_CAP_AMBIENT_RAISE, capability, 0, 0)))


def _libc_call(name: str, *arguments: object) -> None:
    function: Callable[..., int] = getattr(ctypes.CDLL(None, use_errno=True), name)
    if function(*arguments) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")


def _main() -> None:
    uid, gid, pass_through, *arguments = sys.argv[1:]
    Identity(int(uid), int(gid), pass_through == "1").assume()  # noqa: S105 (a flag)
    os.execv(arguments[0], arguments)  # noqa: S606 (that is the point)


if __name__ == "__main__":
    _main()
