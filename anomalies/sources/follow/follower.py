"""The lines of a growing file, each exactly once, across its rotations.

The file's status and content are polled every ``poll`` seconds; no notification service is needed, so it
works on every file system. A file is identified by its inode and by hashes of its first KiB and of the last
KiB that was read: the inode finds it under a new name, the hashes detect a reused inode, a truncation and a
copy. The cases:

- Renamed, and a new file created (logrotate's ``create``): the old file is read to its end and watched until
  nothing was written for ``linger`` seconds, because its writer may still have it open; then the new file is
  read from its beginning. Content written to the old file later is not read, and a Gap gives its size. After
  several rotations the files are read in the order of `rotation`, the older ones without waiting.
- Truncated in place (``copytruncate``), even if it was filled again: the rest is read from the copy if there
  is one, then the file from its beginning, and a Gap reports it. A file that was filled again with the same
  first and last KiB at the same places can't be distinguished from one that grew.
- Deleted: the follower waits until the name exists again.
- At a restart: the file is searched for under every name it may have and its rest is read first. If it is
  gone, a Gap reports that, and the files written after it follow.

An incomplete last line is yielded when its end is written, or when none can follow: its file was rotated.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path

from ..lines import Line, ReadError
from .events import Gap, Reached
from .growing_file import Identity, Source
from .line_buffer import Splitter
from .position import MARK_BYTES, Mark, Position
from .rotation import Sibling, has_head, identity_of, is_archive, locate, written_after
from .stop_signal import Stop

Followed = Line | Reached | Gap


def follow(
    path: str,
    max_bytes: int,
    *,
    stop: Stop,
    start: Position | None = None,
    poll: float = 0.5,
    linger: float = 5.0,
    once: bool = False,
) -> Generator[Followed, None, None]:
    """Yield the lines of a growing file, each cut at ``max_bytes`` bytes, until ``stop`` is set.

    After each block of lines comes a Reached with the position: saved together with the results of the lines
    and passed as ``start`` later, it neither loses nor repeats a line. Without ``start`` the file is read
    from its beginning. While nothing is written, an idle Reached comes every ``poll`` seconds. With ``once``
    it ends at the end of the file and yields an incomplete last line as it is; the rest of that line, written
    later, is then a line of its own. Raises ReadError if the file can't be read.
    """
    with closing(_Follower(Path(path), max_bytes, stop, start)) as follower:
        follower.poll, follower.linger, follower.once = poll, 0.0 if once else linger, once
        try:
            yield from follower.run()
        except OSError as error:
            after = f" after line {follower.number:,}" if follower.number else ""
            what = f"{error.filename or path}{after}: {error.strerror or error}"
            raise ReadError(f"can't follow {what}") from error


class _Renamed(Exception):
    """A file was renamed between listing and opening."""


class _Follower:
    poll: float
    linger: float
    once: bool

    def __init__(self, path: Path, max_bytes: int, stop: Stop, start: Position | None) -> None:
        self._path = path
        self._stop = stop
        self._position = start
        self._splitter = Splitter(max_bytes, start.number if start else 0)
        self._source: Source | None = None
        self._is_final = False  # no process writes to it any more
        self._silent_since: float | None = None  # monotonic seconds: rotated, and nothing written since
        self._before = b""  # up to 1 KiB before the incomplete line
        self._cut = False
        self._former: Source | None = None  # the previous file, watched for late lines
        self._former_head = start.former if start else None
        self._has_moved = False  # to another file, in this run
        self._passed: set[Identity] = set()  # files that are not read and were reported by a Gap

    @property
    def number(self) -> int:
        return self._splitter.number

    def run(self) -> Iterator[Followed]:
        while not self._stop.is_set():
            if self._source is None:
                yield from self._find()
            if self._source and ((yield from self._batch(self._source)) or (yield from self._move_on())):
                continue
            if self.once:
                yield from self._end()
                return
            yield from self._late()
            yield Reached(self._position, idle=True)
            self._stop.wait(self.poll)

    def close(self) -> None:
        for source in (self._source, self._former):
            if source:
                source.close()

    # --- lines ------------------------------------------------------------------------------------------

    def _batch(self, source: Source) -> Generator[Followed, None, bool]:
        """Yield the lines of the next block; returns False if nothing was written."""
        if source.is_rewritten():
            # The former position: the file's present modification time belongs to other content.
            yield from self._start_over(source, self._position or self._here(source))
            return True
        if self._is_not_the_next(source):
            self._close_source()
            return True
        tail, block = source.tail, (yield from self._block(source))
        if not block:
            return False
        self._silent_since = None
        if whole := block.rfind(b"\n") + 1:
            self._before = (tail + block[max(0, whole - MARK_BYTES) : whole])[-MARK_BYTES:]
        for line in self._splitter.feed(block):
            if not (self._cut and self._is_end_of_cut(line)):
                yield line
        self._position = self._here(source)
        yield Reached(self._position, idle=False)
        return True

    def _block(self, source: Source) -> Generator[Followed, None, bytes]:
        try:
            return source.read()
        except OSError as error:
            if not source.packed:
                raise
            source.give_up()
            yield Gap(f"{source.path}: {error.strerror}; the rest of it is lost", None)
            return b""

    def _is_end_of_cut(self, line: Line) -> bool:
        """True if this is only the line end of a line that was yielded without it."""
        self._cut = False
        if line.full_length > 0:
            return False
        self._splitter.number -= 1
        return True

    def _finish(self, source: Source) -> Iterator[Followed]:
        """Yield the incomplete line."""
        if line := self._splitter.finish():
            self._cut, self._before = True, source.tail
            yield line
        self._position = self._here(source)

    def _end(self) -> Iterator[Followed]:
        if not self._source:
            raise FileNotFoundError(errno.ENOENT, "there is no such file", str(self._path))
        yield from self._finish(self._source)
        yield Reached(self._position, idle=True)

    def _late(self) -> Iterator[Followed]:
        """Report content written to the previous file after reading moved on."""
        former = self._former
        if former and (late := former.unread()):
            former.offset += late
            words = f"{late:,} bytes were written to the rotated file that was {self._path} after it was left"
            yield Gap(f"{words}; they are not read", late)
        if former and not former.has_a_name():
            former.close()
            self._former = None

    # --- files ------------------------------------------------------------------------------------------

    def _find(self) -> Iterator[Followed]:
        """Open the first file to read, if there is one."""
        position = self._position
        if position is None:
            if source := self._followed():
                self._begin(source, is_final=False)
            return
        if position.is_blank:
            yield from self._pass_late_lines(position)
            yield from self._go_to_next(None, position)
            return
        lost = None
        try:
            if source := locate(self._path, position):
                self._go_on(source, position)
                return
            why = "is gone, or was overwritten"
        except OSError as error:
            if str(error.filename) == str(self._path):
                raise
            lost = self._note_unreadable(Path(error.filename), position.offset)
            why = f"can't be read ({error.filename}: {error.strerror})"
        what = f"what it had after line {position.number:,} (byte {position.offset:,})"
        gap = Gap(f"the file that was {self._path} {why}; {what} is lost", lost)
        yield from self._go_to_next(None, position, gap)

    def _is_not_the_next(self, source: Source) -> bool:
        """True if a file last seen empty got content that was copied elsewhere before it was truncated."""
        position = self._position
        if position is None or not position.is_blank or source.modified() == position.modified:
            return False
        self._position = self._here(source)
        later = written_after(self._path, None, position, identity_of(self._path))
        later = [one for one in later if not self._former or one.identity != self._former.identity]
        if not later or later[0].identity == source.identity:
            return False
        self._position = position
        return True

    def _pass_late_lines(self, position: Position) -> Iterator[Followed]:
        """Report that the previous file may have grown after reading moved on; it is not read again."""
        for one in written_after(self._path, None, position, identity_of(self._path)):
            if position.former and one.identity not in self._passed and has_head(one.path, position.former):
                self._passed.add(one.identity)
                if not self._has_moved:  # otherwise ``_late`` counted it
                    words = f"{one.path} was written or packed after it was left"
                    yield Gap(f"{words}; what came to it is not read", None)

    def _move_on(self) -> Generator[Followed, None, bool]:
        """At the end of a rotated file to which nothing more is written: go to the following file."""
        source, position = self._source, self._position
        if source is None or position is None:
            return False
        if identity_of(self._path) == source.identity:
            self._silent_since = None
            return False
        if not self._is_final and self._may_be_written(source, position):
            return False
        return (yield from self._go_to_next(source, position))

    def _may_be_written(self, source: Source, position: Position) -> bool:
        now = time.monotonic()
        self._silent_since = self._silent_since or now
        return now - self._silent_since < self.linger and not written_after(
            self._path, source, position, identity_of(self._path)
        )

    def _go_to_next(
        self, source: Source | None, position: Position, gap: Gap | None = None
    ) -> Generator[Followed, None, bool]:
        """Leave a file for the one written after it; returns False if there is none."""
        following, is_final = yield from self._next(source, position)
        if following is None:
            return False
        try:
            if source and source.unread():
                following.close()
                return True
            if gap:
                yield gap
            if source:
                yield from self._leave(source)
        except BaseException:
            following.close()
            raise
        self._begin(following, is_final=is_final)
        yield Reached(self._position, idle=False)
        return True

    def _leave(self, source: Source) -> Iterator[Followed]:
        yield from self._finish(source)
        yield from self._late()
        if self._former:
            self._former.close()
        self._former, self._source, self._has_moved = source, None, True
        self._former_head = Mark.of(source.head)

    def _close_source(self) -> None:
        if self._source:
            self._source.close()
        self._source = None

    def _next(
        self, source: Source | None, position: Position
    ) -> Generator[Followed, None, tuple[Source | None, bool]]:
        """The file written after a source (or a position), and True if no process writes to it any more."""
        while True:
            current, obstacle = self._try_followed()  # first: a file rotated after this is in the listing
            identity = current.identity if current else None
            found = written_after(self._path, source, position, identity)
            try:
                opened = yield from self._first_readable(found)
            except _Renamed:
                continue
            if opened:
                if current:
                    current.close()
                return opened, opened.packed or opened.identity != found[-1].identity
            if obstacle:
                raise obstacle
            return current, False

    def _first_readable(self, found: list[Sibling]) -> Generator[Followed, None, Source | None]:
        for one in [one for one in found if one.identity not in self._passed]:
            try:
                source = Source(one.path)
            except FileNotFoundError:
                raise _Renamed from None
            except OSError as error:
                lost = self._note_unreadable(one.path, 0)
                yield Gap(f"can't read {one.path}: {error.strerror}; it is lost", lost)
                continue
            if source.identity == one.identity:
                return source
            source.close()
            raise _Renamed
        return None

    def _note_unreadable(self, file: Path, offset: int) -> int | None:
        """The number of bytes after ``offset``, None if unknown; marks the file as reported."""
        try:
            status = file.stat()
        except OSError:
            return None
        self._passed.add((status.st_dev, status.st_ino))
        return None if is_archive(file) else max(0, status.st_size - offset)

    def _try_followed(self) -> tuple[Source | None, OSError | None]:
        try:
            return self._followed(), None
        except OSError as error:
            return None, error

    def _followed(self) -> Source | None:
        """The file that has the followed name now; None if there is none."""
        try:
            source = Source(self._path)
        except FileNotFoundError:
            return None
        if source.packed:
            source.close()
            raise OSError(errno.EINVAL, "it is an archive, and only plain text grows", str(self._path))
        return source

    def _start_over(self, source: Source, position: Position) -> Iterator[Followed]:
        """After a truncation: go on in the copy that holds the rest, else at the file's beginning."""
        if copy := locate(self._path, position):
            yield Gap(f"{self._path} was truncated; its rest is read from {copy.path}", 0)
            source.close()
            self._go_on(copy, position)
            return
        yield from self._finish(source)
        what = f"what came after line {self.number:,} (byte {source.offset:,}) and was not read is lost"
        yield Gap(f"{self._path} was truncated and is read from its beginning; {what}", None)
        self._former_head = Mark.of(source.head)
        source.rewind()
        self._begin(source, is_final=self._is_final)
        yield Reached(self._position, idle=False)

    def _begin(self, source: Source, *, is_final: bool) -> None:
        """Read a file from its beginning."""
        self._source, self._is_final = source, is_final
        self._before, self._cut, self._silent_since = b"", False, None
        self._splitter.begin(at_start=True)
        self._position = self._here(source)

    def _go_on(self, source: Source, position: Position) -> None:
        """Read a file from a position in it; a copy of the original file is final."""
        self._source = source
        self._is_final = source.packed or source.identity[1] != position.inode
        self._before, self._cut, self._silent_since = source.tail, position.cut, None
        self._splitter.begin(at_start=position.offset == 0)

    def _here(self, source: Source) -> Position:
        """The position before the incomplete line."""
        return Position(
            *source.identity,
            offset=source.offset - self._splitter.open_bytes,
            number=self.number,
            modified=source.modified(),
            head=Mark.of(source.head),
            tail=Mark.of(self._before),
            cut=self._cut,
            former=self._former_head,
        )
