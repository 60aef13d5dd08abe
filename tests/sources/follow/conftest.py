"""A log that grows, and its reader."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .growing_log import Log, Reader


@pytest.fixture
def log(tmp_path) -> Log:
    return Log(tmp_path)


@pytest.fixture
def reader(log) -> Iterator[Reader]:
    reader = Reader(log.path)
    yield reader
    reader.close()
