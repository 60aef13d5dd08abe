"""Fuzz every parser of outside bytes, in a given time: ``python -m tests.torture.fuzz --seconds 60``.

Guided by coverage (atheris, on libFuzzer) where it is installed; else by mutation alone, and it says so.
Begins with the seeds of ``fuzz_targets`` and the inputs in ``corpus/``; ``--keep`` adds to them.
Exits with 1 where an input made a reader fail, and writes that input into ``--crashes``.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import random
import re
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, NoReturn

CORPUS = Path(__file__).parent / "corpus"
KEPT_BYTES, KEPT_INPUTS = 1_000, 40  # of a target, at most
_MUTATED = "mutation alone: atheris is not installed here"


class Outcome(NamedTuple):
    """The result of a target: the number of inputs tried, and the output of a failing one."""

    target: str
    engine: str
    tried: int
    failure: str


class _Run(NamedTuple):
    """The target and seconds of a run; inputs for new code go to ``inputs``, failing ones to ``crashes``."""

    target: str
    seconds: float
    seed: int
    crashes: Path
    inputs: Path


def main() -> int:
    """Run the targets that are asked for, and print a line for each."""
    options = _options()
    outcomes = list(fuzz(options.target, options.seconds, options.seed, options.crashes, options.keep))
    return 1 if any(outcome.failure for outcome in outcomes) else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.torture.fuzz", description="Fuzz the parsers.")
    parser.add_argument("--seconds", type=float, default=600, help="in all, shared by the targets")
    parser.add_argument("--target", action="append", metavar="NAME", help="only this one; may be repeated")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(31))
    parser.add_argument("--crashes", type=Path, default=Path("fuzz-crashes"), metavar="FOLDER")
    parser.add_argument("--keep", action="store_true", help="keep inputs that reach new code in corpus/")
    return parser.parse_args()


def fuzz(
    names: list[str] | None, seconds: float, seed: int, crashes: Path, keep: bool = False
) -> Iterator[Outcome]:
    """Fuzz each target in a process of its own, and print what became of it."""
    _prepare()
    from .fuzz_targets import TARGETS

    chosen = names or list(TARGETS)
    for name in chosen:
        with tempfile.TemporaryDirectory(prefix="driftlock-fuzz-") as folder:
            found = _fuzz_apart(name, seconds / len(chosen), seed, crashes, Path(folder), keep)
        print(
            f"fuzz {found.target:<12}{found.tried:>10,} inputs, "
            f"{'FAILED' if found.failure else 'none failed'} ({found.engine})",
            flush=True,
        )
        if found.failure:
            print(found.failure, flush=True)
        yield found


def _fuzz_apart(name: str, seconds: float, seed: int, crashes: Path, folder: Path, keep: bool) -> Outcome:
    """Fuzz a target in a forked process: instrumenting the code takes seconds, and is done once for all."""
    crashes.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile() as output:
        pid = os.fork()
        if not pid:
            _fuzz_and_exit(_Run(name, seconds, seed, crashes, folder), output.fileno())
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        output.seek(0)
        said = output.read().decode(errors="replace")
    tried = [int(number) for number in re.findall(r"^#(\d+)", said, re.MULTILINE)]
    if keep and not code:
        _keep(name, folder)
    if not any(crashes.iterdir()):
        crashes.rmdir()
    engine = "guided by coverage" if _guided() else _MUTATED
    return Outcome(name, engine, max(tried, default=0), said[-4_000:] if code else "")


def _fuzz_and_exit(run: _Run, output: int) -> NoReturn:
    os.dup2(output, 1)
    os.dup2(output, 2)
    code = 1
    try:
        code = _fuzz_here(run)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _guided() -> bool:
    return importlib.util.find_spec("atheris") is not None


def _prepare() -> None:
    """Django without a database: no target opens a connection."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "driftlock.settings")
    os.environ["DRIFTLOCK_MODE"] = "development"
    import django

    if _guided():
        import atheris

        with atheris.instrument_imports(include=["anomalies"], enable_loader_override=False):
            django.setup()
            from . import fuzz_targets

            for target in fuzz_targets.TARGETS.values():
                for data in list(target.seeds())[:1]:
                    target.run(data)  # imports what it needs, instrumented
    else:
        django.setup()


def _fuzz_here(run: _Run) -> int:
    from .fuzz_targets import LONGEST, TARGETS

    target = TARGETS[run.target]
    inputs = [*target.seeds(), *kept(run.target)]
    for data in inputs:
        target.run(data)
    if not _guided():
        return _mutate(target.run, inputs, run)
    import atheris

    for data in inputs:
        (run.inputs / _name(data)).write_bytes(data)
    flags = [
        f"-max_total_time={max(1, round(run.seconds))}",
        f"-seed={run.seed or 1}",
        f"-max_len={LONGEST}",
    ]
    flags += ["-timeout=20", "-rss_limit_mb=2048", f"-artifact_prefix={run.crashes}/{run.target}-"]
    atheris.Setup([sys.argv[0], *flags, "-print_final_stats=1", str(run.inputs)], target.run)
    atheris.Fuzz()
    return 0


def kept(name: str) -> list[bytes]:
    """The inputs of a target in ``corpus/``."""
    return [path.read_bytes() for path in sorted((CORPUS / name).glob("*"))]


def _name(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def _keep(name: str, folder: Path) -> None:
    """Keep the shortest inputs that reached new code; libFuzzer left no others in the folder."""
    (CORPUS / name).mkdir(parents=True, exist_ok=True)
    there = {_name(data) for data in [*_seeds(name), *kept(name)]}
    found = sorted((path.read_bytes() for path in folder.iterdir()), key=len)
    new = [data for data in found if _name(data) not in there and len(data) <= KEPT_BYTES]
    for data in new[: KEPT_INPUTS - len(kept(name))]:
        (CORPUS / name / _name(data)).write_bytes(data)


def _seeds(name: str) -> list[bytes]:
    from .fuzz_targets import TARGETS

    return list(TARGETS[name].seeds())


def _mutate(read: Callable[[bytes], object], inputs: list[bytes], run: _Run) -> int:
    """Without coverage: changed copies of the inputs, until the time is up."""
    dice, tried, end = random.Random(run.seed), 0, time.monotonic() + run.seconds
    while time.monotonic() < end:
        data = mutated(dice.choice(inputs), dice)
        try:
            read(data)
        except Exception:
            (run.crashes / f"{run.target}-crash-{_name(data)}").write_bytes(data)
            traceback.print_exc()
            return 77
        tried += 1
    print(f"#{tried} DONE")
    return 0


_PIECES = [
    b'"',
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\n",
    b"\0",
    b"\xff",
    b"-",
    b"1e999",
    b"NaN",
    b"\\ud800",
    b"\\u0000",
    b"null",
    b"true",
    b" " * 40,
    b"9" * 400,
    "é\u202e".encode(),
]


def mutated(data: bytes, dice: random.Random) -> bytes:
    """The bytes with one to four changes: a piece cut out, doubled, put in or replaced."""
    for _ in range(dice.randint(1, 4)):
        at, to = sorted((dice.randint(0, len(data)), dice.randint(0, len(data))))
        to = min(to, at + dice.choice((1, 4, 50)))
        piece = dice.choice([b"", data[at:to] * 2, dice.choice(_PIECES), bytes([dice.randrange(256)])])
        data = data[:at] if dice.random() < 0.05 else data[:at] + piece + data[to:]
    return data


if __name__ == "__main__":
    sys.exit(main())
