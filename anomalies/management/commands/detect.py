"""``manage.py detect``: find anomalies in sources and store them."""

from __future__ import annotations

import os
import platform
import stat
from argparse import ArgumentTypeError
from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.db import DatabaseError
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from anomalies.audit import Actor
from anomalies.ingest import Detection, Origin, RowError, Stream, acknowledged_of
from anomalies.json_limits import LimitError, check_tags
from anomalies.models import Stream as Kind
from anomalies.safe_text import printable
from anomalies.sources.baseline import check_baseline, is_same_file
from anomalies.sources.checkpoint import SavedStateError, locked
from anomalies.sources.lines import ReadError
from anomalies.sources.scan import DateOrder, FormatError, Job
from anomalies.sources.scan_pool import scan_all
from anomalies.thresholds import ThresholdsError, active_config, parameters_for, thresholds_for

from ..base import ShortUsage
from ..cluster import ClusterError, detect_on_cluster
from ..detection_summary import refused, source_summary, total_summary
from ..options import add_actor_option
from ..progress import events_bar, interruptible, stopping
from ..wake_notice import wake_and_say


class Command(ShortUsage):
    help = "Detect anomalies in logs, metrics, traces or LLM traffic with the active config."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "files",
            nargs="+",
            metavar="FILE|FOLDER|-",
            help="a plain, gzip or zstd file, a folder of them, or - for standard input",
        )
        parser.add_argument(
            "--kind",
            "--stream",
            choices=Kind.values,
            help="the kind of the stream (default: guessed from the first lines)",
        )
        parser.add_argument("--name", help="the name of the only source (default: the file's name)")
        parser.add_argument(
            "--host", default=platform.node() or None, help="the host of the source (default: %(default)s)"
        )
        parser.add_argument(
            "--tag", action="append", default=[], dest="tags", help="a tag for the anomalies; repeatable"
        )
        _add_time_options(parser)
        parser.add_argument(
            "--review", type=_count, default=3, metavar="K",
            help="how many of the most unusual windows of a day to store for review (default: %(default)s)",
        )  # fmt: skip
        parser.add_argument(
            "--workers", type=_count, default=os.cpu_count() or 1, metavar="N",
            help="the number of processes, each with one source at a time (default: %(default)s)",
        )  # fmt: skip
        parser.add_argument(
            "--cluster", metavar="ADDRESS",
            help="the scheduler of a Dask cluster, whose workers read the sources and store what is found",
        )  # fmt: skip
        parser.add_argument(
            "--follow", action="store_true", help="continue with the lines that are appended to the only file"
        )
        parser.add_argument(
            "--state",
            type=Path,
            metavar="FILE",
            help="with --follow: save the progress in this file and continue from it",
        )
        parser.add_argument(
            "--since-baseline",
            default="",
            metavar="FILE",
            help="learn this file first, which is known to be good; nothing in it is reported",
        )
        parser.add_argument("--no-progress", action="store_true", help="show no progress bar")
        add_actor_option(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        if options["state"] and not options["follow"]:
            raise CommandError("--state goes with --follow: a whole file needs none.", returncode=2)
        if options["cluster"] and (options["follow"] or "-" in options["files"]):
            raise CommandError(
                "--cluster is for files and folders that all of its workers see.", returncode=2
            )
        sources = _without_baseline(_sources(options, self._tell), options, self._tell)
        detections = [self._detection(source, options) for source in sources]
        jobs = [self._job(source, one, options) for source, one in zip(sources, detections, strict=True)]
        if options["follow"]:
            self._follow(jobs, detections[0], options)
            return
        try:
            self._run(jobs, detections, options)
        except KeyboardInterrupt:
            self._stopped(sources, detections)
        except (DatabaseError, RowError) as error:
            raise CommandError(refused(error)) from error
        except ClusterError as error:
            raise CommandError(str(error)) from error
        wake_and_say(self, Actor(options["by"], via="detect"))
        for source, detection in zip(sources, detections, strict=True):
            self._say(source if len(sources) > 1 else None, detection)
        if len(sources) > 1:
            self.stderr.write(total_summary(detections))
        failures = [detection.report.failure for detection in detections if detection.report.failure]
        if failures:
            raise CommandError("\n".join(map(printable, failures)))

    def _run(self, jobs: list[Job], detections: list[Detection], options: dict[str, Any]) -> None:
        sizes = [_size(job.path) for job in jobs]
        total = None if None in sizes else sum(filter(None, sizes))
        with interruptible(), events_bar(total, options["no_progress"]) as advanced:
            if options["cluster"]:
                known = [size or 0 for size in sizes]
                reports = detect_on_cluster(options["cluster"], jobs, known, detections, advanced)
                for index, report in reports:
                    detections[index].report = report
                return
            messages = scan_all(jobs, options["workers"], advanced)
            for index, message in messages:
                try:
                    detections[index].take(message)
                except KeyboardInterrupt as interrupt:
                    index, ended = messages.throw(interrupt)  # raises it, where processes of their own read
                    detections[index].take(ended)
                    raise

    def _follow(self, jobs: list[Job], detection: Detection, options: dict[str, Any]) -> None:
        if len(jobs) != 1 or jobs[0].path == "-":
            raise CommandError("--follow is for one file; run one command for each.", returncode=2)
        state = options["state"]
        try:
            with stopping() as stop, locked(state) if state else nullcontext():
                Stream(jobs[0], detection, state, self._tell).run(stop)
        except FormatError as error:
            raise CommandError(printable(f"can't read {jobs[0].path}: {error}")) from error
        except (ReadError, SavedStateError) as error:
            raise CommandError(printable(str(error))) from error
        except (DatabaseError, RowError) as error:
            raise CommandError(refused(error)) from error
        finally:
            if detection.report.counts.events:
                self._say(None, detection)
        line = detection.report.counts.last_line
        kept = f"; with --state {state} it continues there" if state else ""
        self.stderr.write(printable(f"stopped after line {line:,}{kept}."))

    def _tell(self, words: str) -> None:
        self.stderr.write(printable(words), lambda text: text)

    def _stopped(self, sources: list[str], detections: list[Detection]) -> None:
        for source, detection in zip(sources, detections, strict=True):
            line = detection.report.counts.last_line
            if detection.report.ended and not detection.report.failure:
                continue
            if line == 0 and len(sources) > 1:
                self._tell(f"{source}: not read to its end; run it again to read all of it.")
                continue
            self._say(source if len(sources) > 1 else None, detection)
            self.stderr.write(f"stopped after line {line:,}; run it again to read all of it.")
        raise SystemExit(130)

    def _detection(self, source: str, options: dict[str, Any]) -> Detection:
        reference = _reference(source, options)
        return Detection(self._origins(source, options), Actor(options["by"], via="detect"), reference)

    def _job(self, source: str, detection: Detection, options: dict[str, Any]) -> Job:
        job = Job(
            path=source,
            parameters={
                kind: parameters_for(origin.thresholds, options["review"])
                for kind, origin in detection.origins.items()
            },
            reference=detection.reference,
            kind=options["kind"],
            zone=_zone(options["timezone"]),
            time_format=options["time_format"],
            time_field=options["time_field"],
            year=options["year"],
            date_order=options["date_order"],
            acknowledged={
                kind: acknowledged_of(kind, origin.name, origin.host)
                for kind, origin in detection.origins.items()
            },
            at_a_time=1 if source == "-" else 500,
            is_live=source == "-" or options["follow"],
            baseline=options["since_baseline"] and str(Path(options["since_baseline"]).absolute()),
        )
        try:
            job.clock()
        except ValueError as error:
            raise CommandError(f"--time-format: {printable(str(error))}", returncode=2) from error
        return job

    def _origins(self, source: str, options: dict[str, Any]) -> dict[str, Origin]:
        try:
            check_tags(options["tags"], settings.INGEST_MAX_TAGS, settings.INGEST_MAX_TAG_LENGTH)
        except LimitError as error:
            raise CommandError(f"--tag: the tags {error}", returncode=2) from error
        kinds = [options["kind"]] if options["kind"] else Kind.values
        name = options["name"] or ("standard input" if source == "-" else Path(source).name)
        try:
            config = active_config()
            thresholds = {kind: thresholds_for(config, kind) for kind in kinds}
        except ThresholdsError as error:
            raise CommandError(str(error)) from error
        return {
            kind: Origin(
                name=printable(name),
                stream_type=kind,
                config_id=config.pk,
                thresholds=numbers,
                host=options["host"] and printable(options["host"]),
                tags=tuple(options["tags"]),
            )
            for kind, numbers in thresholds.items()
        }

    def _say(self, source: str | None, detection: Detection) -> None:
        for line in source_summary(detection):
            self.stderr.write(printable(f"{source}: {line}" if source else line))


def _add_time_options(parser: CommandParser) -> None:
    parser.add_argument(
        "--timezone",
        "--time-zone",
        default="UTC",
        help="the time zone of timestamps without one (default: UTC)",
    )
    parser.add_argument("--time-format", help="the strptime format of the timestamps, such as %%d/%%m/%%Y")
    parser.add_argument(
        "--time-field",
        default="",
        metavar="PATH",
        help="the field of a record's time, such as event.created (default: usual names)",
    )
    parser.add_argument(
        "--year",
        type=_year,
        help="the year of the first timestamp, if timestamps have none (default: by the file's time)",
    )
    parser.add_argument(
        "--date-order",
        choices=get_args(DateOrder),
        help="the order of dates such as 03/04/2026 (default: found from the log)",
    )
    parser.add_argument(
        "--time", help="the ISO time of a log without timestamps (default: the file's time, or now)"
    )


def _sources(options: dict[str, Any], tell: Callable[[str], None]) -> list[str]:
    """The files named, and those in folders named, in the order of their names."""
    sources = [path for given in options["files"] for path in _files(given, tell)]
    if not sources:
        raise CommandError(f"there is no file in {printable(options['files'][0])}.")
    if options["name"] and len(sources) > 1:
        raise CommandError("--name is for one source; several have the names of their files.", returncode=2)
    if sources.count("-") > 1:
        raise CommandError("standard input (-) can be read only once.", returncode=2)
    return sources


def _without_baseline(sources: list[str], options: dict[str, Any], tell: Callable[[str], None]) -> list[str]:
    """Check the baseline, unless it was learnt before, and leave it out of the sources of a folder."""
    baseline = options["since_baseline"]
    if not baseline:
        return sources
    if not (options["state"] and options["state"].exists()):
        try:
            check_baseline(baseline)
        except ReadError as error:
            raise CommandError(printable(str(error))) from error
    others = [source for source in sources if not is_same_file(source, baseline)]
    if not others:
        raise CommandError(f"{printable(baseline)} is its own baseline; name another file.", returncode=2)
    if len(others) < len(sources):
        tell(f"skipped: {baseline} is the baseline.")
    return others


def _files(given: str, tell: Callable[[str], None]) -> list[str]:
    """Return a named file, or all files of a folder; an unreadable folder is returned as a source itself."""
    if given == "-" or not stat.S_ISDIR(_mode(given)):
        return [given]
    closed: list[OSError] = []
    found: list[Path] = []
    for folder, folders, files in os.walk(given, onerror=closed.append):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(folder) / name for name in files if not name.startswith(".")]
    found += [Path(error.filename) for error in closed]
    return [str(path) for path in sorted(found) if not _is_passed(path, tell)]


def _is_passed(path: Path, tell: Callable[[str], None]) -> bool:
    """Return True, after a message, for a file without an end, such as a pipe, and for a broken link."""
    mode = _mode(path)
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode) or not (mode or path.is_symlink()):
        return False
    tell(f"skipped: {path} is {'not a regular file' if mode else 'a broken link'}.")
    return True


def _mode(path: str | Path) -> int:
    """The mode of the file from stat; 0 if that fails, since reading it then reports the reason."""
    try:
        return Path(path).stat().st_mode
    except (OSError, ValueError):
        return 0


def _size(path: str) -> int | None:
    try:
        return Path(path).stat().st_size if path != "-" else None
    except OSError:
        return None


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) > 1000:
        raise ArgumentTypeError(f"{text!r} is not a whole number from 0 to 1000")
    return int(text)


def _year(text: str) -> int:
    if not text.isdecimal() or not 1970 <= int(text) <= 9000:
        raise ArgumentTypeError(f"{text!r} is not a year such as 2026")
    return int(text)


def _reference(source: str, options: dict[str, Any]) -> datetime:
    """A time near the log's own: as given, or else the file's modification time, or else now."""
    if options["time"]:
        return _given_time(options["time"], _zone(options["timezone"]))
    if source == "-":
        return timezone.now()
    try:
        return datetime.fromtimestamp(Path(source).stat().st_mtime, UTC)
    except (OSError, ValueError, OverflowError):
        return timezone.now()  # reading the file says what is wrong with it


def _given_time(text: str, zone: Any) -> datetime:
    try:
        given = parse_datetime(text)
    except ValueError:
        given = None
    if given is None:
        raise CommandError(
            f"--time: {printable(text)} is not an ISO time such as 2026-11-23T12:00Z.", returncode=2
        )
    return given if given.tzinfo else given.replace(tzinfo=zone)


def _zone(name: str) -> Any:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise CommandError(f"--timezone: there is no zone {printable(name)}.", returncode=2) from None
