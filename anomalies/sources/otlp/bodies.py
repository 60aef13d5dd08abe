"""Bodies of requests, unpacked within a bound: a small archive may hold any number of bytes."""

from __future__ import annotations

import zlib

import zstandard

_GZIP = zlib.MAX_WBITS | 16
_ZSTD_WINDOW = 8 * 1024 * 1024  # bytes; RFC 8878 asks decoders to support as much, and zstd asks no more


class BodyError(ValueError):
    """A body that can't be unpacked; the message says why, and the fix."""


class BodyTooLarge(BodyError):
    """A body that has more bytes than it may have."""


def unpacked(body: bytes, encoding: str, most: int) -> bytes:
    """Return the bytes of a body whose Content-Encoding is gzip, zstd or '', at most `most` of them.

    Memory is bounded by `most`, whatever the body holds. Raises BodyError.
    """
    if len(body) > most and not encoding:
        raise _too_large(most)
    if encoding == "gzip":
        return _of_gzip(body, most)
    return _of_zstd(body, most) if encoding == "zstd" else body


def _of_gzip(body: bytes, most: int) -> bytes:
    """Return the content of all members of an archive (RFC 1952, 2.2)."""
    parts: list[bytes] = []
    left = most
    while body:
        reader = zlib.decompressobj(_GZIP)
        try:
            parts.append(reader.decompress(body, left + 1))
        except zlib.error as error:
            raise _damaged("gzip", error) from error
        left -= len(parts[-1])
        if left < 0:
            raise _too_large(most)
        if not reader.eof:
            raise _damaged("gzip", "it ends in the middle")
        body = reader.unused_data
    return b"".join(parts)


def _of_zstd(body: bytes, most: int) -> bytes:
    reader = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).stream_reader(
        body, read_across_frames=True
    )
    parts: list[bytes] = []
    size = 0
    try:
        while size <= most and (part := reader.read(most + 1 - size)):
            parts.append(part)
            size += len(part)
    except zstandard.ZstdError as error:
        raise _damaged("zstd", error) from error
    if size > most:
        raise _too_large(most)
    if body and not parts:
        raise _damaged("zstd", "it ends in the middle")
    return b"".join(parts)


def _damaged(name: str, why: object) -> BodyError:
    return BodyError(f"the body is no whole {name} archive ({why}); send it again, or uncompressed")


def _too_large(most: int) -> BodyTooLarge:
    return BodyTooLarge(f"the body has more than {most:,} bytes unpacked; send fewer records a request")
