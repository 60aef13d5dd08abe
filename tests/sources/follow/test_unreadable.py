"""Files that can't be followed, each named with the reason."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from anomalies.sources.follow import Position
from anomalies.sources.lines import ReadError
from tests.support.processes import ROOT

from .growing_log import Log, Reader

# --- what can't be read ---------------------------------------------------------------------------------


def refusal(reader: Reader) -> str:
    with pytest.raises(ReadError) as caught:
        reader.read()
    return str(caught.value)


def test_a_folder_in_its_place_is_named(log, reader):
    log.write(b"one\n")
    reader.read()
    log.rotate(create=False)
    log.path.mkdir()
    assert refusal(reader) == f"can't follow {log.path} after line 1: it is a directory"


def test_a_pipe_is_no_file_to_follow(log, reader):
    os.mkfifo(log.path)
    assert "it is no regular file" in refusal(reader)


def test_an_archive_is_nothing_to_follow(log, reader):
    log.write(gzip.compress(b"one\n"))
    assert "it is an archive, and only plain text grows" in refusal(reader)


def test_a_run_without_waiting_names_a_file_that_is_not_there(log):
    assert "there is no such file" in refusal(Reader(log.path, once=True))


def test_what_the_old_file_has_comes_before_the_new_ones_trouble(log, reader):
    log.write(b"one\n")
    reader.read()
    log.write(b"two\n")
    log.rotate(create=False)
    log.path.mkdir()
    refusal(reader)
    assert reader.texts == [b"one", b"two"]


UNREADABLE = """
import os, sys
from anomalies.sources.follow import Stop, follow
os.setuid(65534)
with Stop() as stop:
    print(*[item.data.decode() for item in follow(sys.argv[1], 100, stop=stop, once=True)])
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody who may not read")
def test_a_file_that_may_not_be_read_is_named():
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        log = Log(Path(folder))
        log.write(b"one\n")
        log.path.chmod(0o600)
        done = subprocess.run([sys.executable, "-c", UNREADABLE, log.path], cwd=ROOT, capture_output=True)
    assert f"ReadError: can't follow {log.path}: Permission denied" in done.stderr.decode()


@pytest.mark.parametrize("values", [{}, {"offset": 1}, {"offset": -1}, {"number": "1"}, {"head": None}])
def test_a_position_that_is_none_is_refused(values, log, reader):
    log.write(b"")
    reader.read()
    sound = reader.position.as_json()
    with pytest.raises(ValueError, match="no position in a stream"):
        Position.from_json(sound | values if values else {})
