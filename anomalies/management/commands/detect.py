"""``manage.py detect``: a log in, its anomalies on the desk."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from anomalies.audit import Actor
from anomalies.ingest import LINE_BYTES, Detection, Origin, Report, timestamp_reader
from anomalies.limits import LimitError, check_tags
from anomalies.models import Stream
from anomalies.reading import ReadError, read_lines
from anomalies.terminal import printable
from anomalies.thresholds import ThresholdsError, active_config, thresholds_for

from ..options import add_actor_option
from ..progress import interruptible, reading_bar
from ..waking import wake_and_say


class Command(BaseCommand):
    help = "Find anomalies in a log by compression (CBAD), with the active config's thresholds."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", metavar="FILE|-", help="a log; plain, gzip or zstd; - is standard input")
        parser.add_argument("--stream", choices=Stream.values, default=Stream.LOGS.value)
        parser.add_argument("--name", help="the source's name (default: the file's)")
        parser.add_argument("--host", default=platform.node() or None, help="default: %(default)s")
        parser.add_argument(
            "--tag", action="append", default=[], dest="tags", help="may be given several times"
        )
        parser.add_argument("--timezone", default="UTC", help="of stamps that name none (default: UTC)")
        parser.add_argument(
            "--time", help="ISO time for a log without any (default: the file's time, or now)"
        )
        parser.add_argument("--no-progress", action="store_true")
        add_actor_option(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        detection = self._detection(options)
        try:
            with interruptible(), reading_bar(options["no_progress"]) as progress:
                detection.run(read_lines(options["file"], LINE_BYTES, progress))
        except KeyboardInterrupt:
            self._say(detection)
            self.stderr.write(
                f"stopped after line {detection.report.last_line:,}; to do it all, run it again."
            )
            raise SystemExit(130) from None
        except ReadError as error:
            if detection.report.last_line:
                self._say(detection)
            raise CommandError(printable(str(error))) from error
        wake_and_say(self, detection.actor)
        self._say(detection)

    def _detection(self, options: dict[str, Any]) -> Detection:
        reference = _reference(options)
        return Detection(
            origin=self._origin(options),
            actor=Actor(options["by"], via="detect"),
            clock=timestamp_reader(reference, _zone(options["timezone"])),
            reference=reference,
            at_a_time=1 if options["file"] == "-" else 500,
        )

    def _origin(self, options: dict[str, Any]) -> Origin:
        try:
            config = active_config()
            thresholds = thresholds_for(config, options["stream"])
        except ThresholdsError as error:
            raise CommandError(str(error)) from error
        try:
            check_tags(options["tags"], settings.INGEST_MAX_TAGS, settings.INGEST_MAX_TAG_LENGTH)
        except LimitError as error:
            raise CommandError(f"--tag: the tags {error}", returncode=2) from error
        name = options["name"] or ("standard input" if options["file"] == "-" else Path(options["file"]).name)
        return Origin(
            name=printable(name),
            stream_type=options["stream"],
            config_id=config.pk,
            thresholds=thresholds,
            host=options["host"] and printable(options["host"]),
            tags=tuple(options["tags"]),
        )

    def _say(self, detection: Detection) -> None:
        report = detection.report
        if report.windows_tested == 0:
            sizes = detection.origin.thresholds
            needed = sizes.baseline_size + sizes.window_size
            self.stderr.write(f"nothing was tested: {report.events} events, and it takes {needed}.")
        self.stderr.write(_summary(report))


def _summary(report: Report) -> str:
    rate = report.events / report.seconds if report.seconds else 0
    return (
        f"events {report.events}, windows tested {report.windows_tested}, flagged {report.windows_flagged}, "
        f"anomalies {report.anomalies}: new {report.new}, already there {report.known} ({rate:,.0f} events/s)"
    )


def _reference(options: dict[str, Any]) -> datetime:
    """A time near the log's own: as given, else when the file was last written, else now."""
    if options["time"]:
        return _given_time(options["time"], _zone(options["timezone"]))
    if options["file"] == "-":
        return timezone.now()
    try:
        return datetime.fromtimestamp(Path(options["file"]).stat().st_mtime, UTC)
    except (OSError, ValueError, OverflowError):
        return timezone.now()  # reading the file says what is wrong with it


def _given_time(text: str, zone: Any) -> datetime:
    try:
        given = parse_datetime(text)
    except ValueError:
        given = None
    if given is None:
        raise CommandError(
            f"--time: {printable(text)} is no ISO time such as 2026-11-23T12:00Z.", returncode=2
        )
    return given if given.tzinfo else given.replace(tzinfo=zone)


def _zone(name: str) -> Any:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise CommandError(f"--timezone: there is no zone {printable(name)}.", returncode=2) from None
