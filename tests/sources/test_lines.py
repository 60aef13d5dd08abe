"""Lines out of files, archives and pipes."""

import gzip
import io
import json
import os
import subprocess
import sys
import tracemalloc

import pytest
import zstandard

from anomalies.sources.lines import Line, ReadError, read_lines, read_records

TEXT = b"one\ntwo\nthree\n"
LINES = [Line(1, b"one", 3), Line(2, b"two", 3), Line(3, b"three", 5)]
SKIPPABLE = b"\x50\x2a\x4d\x18\x02\x00\x00\x00ab"


def zst(data: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(data)


@pytest.fixture
def file(tmp_path):
    def write(data: bytes, name: str = "some file") -> str:
        (tmp_path / name).write_bytes(data)
        return str(tmp_path / name)

    return write


ARCHIVES = {
    "plain": TEXT,
    "gzip": gzip.compress(TEXT),
    "gzip of two members": gzip.compress(TEXT[:5]) + gzip.compress(TEXT[5:]),
    "zstd": zst(TEXT),
    "zstd of two frames": zst(TEXT[:5]) + zst(TEXT[5:]),
    "zstd that begins with a skippable frame": SKIPPABLE + zst(TEXT),
}


@pytest.mark.parametrize("data", ARCHIVES.values(), ids=ARCHIVES.keys())
def test_an_archive_is_known_by_its_first_bytes(file, data):
    assert list(read_lines(file(data, "no.suffix"), 100)) == LINES


@pytest.mark.parametrize("data", ARCHIVES.values(), ids=ARCHIVES.keys())
def test_standard_input_may_be_an_archive_too(data):
    program = "from anomalies.sources.lines import read_lines; print([*read_lines('-', 100)])"
    done = subprocess.run([sys.executable, "-c", program], input=data, capture_output=True, check=True)
    assert done.stdout.decode().strip() == repr(LINES)


def test_a_pipe_that_trickles_is_recognised_all_the_same(monkeypatch):
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb", 0) as end, os.fdopen(reading, "rb") as start:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(start))
        end.write(gzip.compress(TEXT)[:1])
        end.write(gzip.compress(TEXT)[1:])
        end.close()
        assert list(read_lines("-", 100)) == LINES


def test_a_line_of_a_pipe_comes_before_the_pipe_ends(monkeypatch):
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb", 0) as end, os.fdopen(reading, "rb") as start:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(start))
        end.write(b"first\n")
        assert next(read_lines("-", 100)).data == b"first"


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", []),
        (b"\n\n", [b"", b""]),
        (b"no end", [b"no end"]),
        (b"a\r\nb\r\n", [b"a", b"b"]),
        (b"a\rb\n", [b"a\rb"]),
        (b"\xef\xbb\xbfa\nb", [b"a", b"b"]),
        (b"a\n\xef\xbb\xbfb", [b"a", b"\xef\xbb\xbfb"]),
        (b"\x00\xff\x1b\n", [b"\x00\xff\x1b"]),
    ],
)
def test_a_line_ends_with_lf_or_crlf_and_a_byte_order_mark_is_dropped(file, data, lines):
    assert [line.data for line in read_lines(file(data), 100)] == lines


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""])
@pytest.mark.parametrize("length", [9, 10, 11, 12, 13, 300_000])
def test_of_a_long_line_the_beginning_is_kept_and_the_rest_counted(file, length, end):
    lines = list(read_lines(file(b"x" * length + end + (b"next" if end else b"")), 10))
    assert lines[0] == Line(1, b"x" * min(10, length), length)
    assert [line.data for line in lines[1:]] == ([b"next"] if end else [])


def test_a_huge_line_needs_little_memory(file):
    path = file(zst(b"x" * 200_000_000 + b"\nnext\n"))
    tracemalloc.start()
    lines = list(read_lines(path, 1000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [line.full_length for line in lines] == [200_000_000, 4]
    assert peak < 30_000_000


@pytest.mark.parametrize("pack", [gzip.compress, zst])
def test_a_truncated_archive_gives_its_whole_lines_and_then_an_error(file, pack):
    text = b"".join(os.urandom(50).hex().encode() + b"\n" for _ in range(20_000))
    reader = read_lines(file(pack(text)[:-1000]), 1000)
    seen = []
    with pytest.raises(ReadError, match=r"some file is damaged after line [\d,]+: .*end"):
        seen.extend(line.data for line in reader)
    assert len(seen) > 1000
    assert text.startswith(b"\n".join(seen))


@pytest.mark.parametrize("pack", [gzip.compress, zst])
def test_rubbish_behind_an_archive_loses_no_line(file, pack):
    seen = []
    with pytest.raises(ReadError, match="damaged after line 3"):
        seen.extend(read_lines(file(pack(TEXT) + b"rubbish"), 100))
    assert seen == LINES


def test_a_corrupt_zstd_archive_is_an_error(file):
    packed = bytearray(zst(os.urandom(300_000).hex().encode()))
    packed[len(packed) // 2 :] = bytes(len(packed) - len(packed) // 2)
    with pytest.raises(ReadError, match="damaged"):
        list(read_lines(file(bytes(packed)), 100))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ReadError, match=r"can't read .*/nothing: No such file or directory"):
        list(read_lines(str(tmp_path / "nothing"), 100))


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(ReadError, match="Is a directory"):
        list(read_lines(str(tmp_path), 100))


def test_progress_is_reported_in_bytes_of_the_file_as_it_lies(file):
    packed, shown = gzip.compress(TEXT), []
    list(read_lines(file(packed), 100, lambda done, size: shown.append((done, size))))
    assert shown[-1] == (len(packed), len(packed))


RECORDS = [{"n": n, "words": ["a\nb", "]"]} for n in range(2_000)]


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zst], ids=["plain", "gzip", "zstd"])
@pytest.mark.parametrize("indent", [None, 1], ids=["one line", "many lines"])
def test_the_records_of_a_container_are_read_out_of_any_file(file, pack, indent):
    records = list(read_records(file(pack(json.dumps(RECORDS, indent=indent).encode())), 1_000_000))
    assert [json.loads(record.data) for record in records] == RECORDS
    assert records[-1].number == (1 if indent is None else 2 + 7 * 1999)


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zst], ids=["plain", "gzip", "zstd"])
def test_the_records_of_a_file_of_lines_are_its_lines(file, pack):
    path = file(pack(TEXT))
    assert list(read_records(path, 100)) == list(read_lines(path, 100)) == LINES
