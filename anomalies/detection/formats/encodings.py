"""The recognition of input that is not UTF-8 text, before its bytes are read as a log."""

from collections.abc import Sequence

from .base import FormatError

_LOOKED_AT = 4096  # bytes of a line
_MARKS = (  # the longer ones first: UTF-32's little end begins with UTF-16's
    (b"\xff\xfe\x00\x00", "UTF-32"),
    (b"\x00\x00\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
)
_PACKED = (
    (0, b"BZh", "bzip2", "bzip2 -dc"),
    (0, b"\xfd7zXZ\x00", "xz", "xz -dc"),
    (0, b"\x04\x22\x4d\x18", "lz4", "lz4 -dc"),
    (0, b"\x1f\x8b", "gzip twice", "gzip -dc"),
    (0, b"PK\x03\x04", "zip", "unzip -p"),
    (257, b"ustar", "tar", "tar -xOf"),
)
_CONTROL = bytes(set(range(32)) - set(b"\t\n\r\f\x1b")) + b"\x7f"
_HALF = 0.4  # of a unit's places: so many NULs there make it a wide encoding


def check_encoding(lines: Sequence[bytes]) -> None:
    """Raise FormatError for UTF-16, UTF-32, archives and other binary input, naming the fix."""
    _check_packed(lines)
    start = next((line for line in lines if line.strip(b"\r\n")), b"")[:_LOOKED_AT]
    encoding = next((name for mark, name in _MARKS if start.startswith(mark)), None) or _by_nuls(start)
    if encoding:
        raise FormatError(
            f"line 1: this is {encoding}, where UTF-8 is expected; "
            f"convert it: iconv -f {encoding} -t UTF-8 FILE > NEW"
        )
    heads = [line[:_LOOKED_AT] for line in lines if line.strip()]
    binary = [_is_binary(head) for head in heads]
    if heads and sum(binary) * 2 > len(heads):
        raise FormatError(
            f"line {binary.index(True) + 1}: this is binary, where lines of text are expected; "
            "unpack it, or export it as text with the program that wrote it"
        )


def _check_packed(lines: Sequence[bytes]) -> None:
    # Of a name like BZh one is sure only where what follows it is no text.
    start = b"\n".join(lines[:3])[:_LOOKED_AT]
    for place, mark, name, unpack in _PACKED:
        if start[place:].startswith(mark) and len(start) > len(start.translate(None, _CONTROL)):
            raise FormatError(
                f"line 1: this is packed by {name}, where text, gzip or zstd is expected; "
                f"unpack it: {unpack} FILE > NEW"
            )


def check_ends(lines: Sequence[bytes]) -> None:
    """Raise FormatError for one line alone with returns inside, as the old Macintosh's text is.

    Among other lines of a log they repaint a line.
    """
    if len(lines) == 1 and lines[0].strip(b"\r\n").count(b"\r") > 1:
        raise FormatError(
            "line 1: the lines end with CR alone, where LF or CRLF is expected; "
            "convert it: tr '\\r' '\\n' < FILE > NEW"
        )


def _by_nuls(start: bytes) -> str | None:
    """Return the wide encoding that puts NULs there; without a mark iconv needs the order of bytes."""
    if len(start) < 4 or b"\x00" not in start:
        return None
    fourths = [start[place::4].count(0) * 4 / len(start) for place in range(4)]
    full = [share > _HALF for share in fourths]
    return {
        (False, True, True, True): "UTF-32LE",
        (True, True, True, False): "UTF-32BE",
        (False, True, False, True): "UTF-16LE",
        (True, False, True, False): "UTF-16BE",
    }.get((full[0], full[1], full[2], full[3]))


def _is_binary(head: bytes) -> bool:
    controls = len(head) - len(head.translate(None, _CONTROL))
    if controls > 0.3 * len(head) or head.count(0) > 0.05 * len(head):
        return True
    if controls < 0.05 * len(head):
        return False  # another eight-bit encoding has as many odd bytes, but no controls
    return controls + len(head.decode("utf-8", "replace").split("\ufffd")) - 1 > 0.3 * len(head)
