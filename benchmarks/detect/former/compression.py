"""Compression figures of a window and of the baseline before it."""

from collections import Counter
from dataclasses import dataclass
from math import log2
from threading import local

import zstandard

_LEVEL = 3
_PARAMETERS = zstandard.ZstdCompressionParameters.from_level(
    _LEVEL,
    # A frame header says nothing about the text, and would count in a window of ten lines.
    format=zstandard.FORMAT_ZSTD1_MAGICLESS,
    write_checksum=False,
    write_content_size=False,
    write_dict_id=False,
)
# A compressor works without the interpreter's lock and must not be shared between threads.
_of_thread = local()


@dataclass(frozen=True, slots=True)
class Figures:
    """All that is stored about one window: see `ncd`, `novelty`, `compression_ratio`, `byte_entropy`."""

    ncd: float
    novelty: float
    baseline_ratio: float
    window_ratio: float
    combined_ratio: float
    baseline_entropy: float
    window_entropy: float


def compressed_size(data: bytes) -> int:
    """Return the bytes that `data` takes after zstandard at level 3, without magic number and checksum."""
    compressor = getattr(_of_thread, "compressor", None)
    if compressor is None:
        compressor = _of_thread.compressor = zstandard.ZstdCompressor(compression_params=_PARAMETERS)
    return len(compressor.compress(data))


def ncd(baseline: bytes, window: bytes) -> float:
    """Return the normalised compression distance, 0 (the same) to 1 (nothing in common).

    (C(BW) - min(C(B), C(W))) / max(C(B), C(W)), Cilibrasi & Vitányi, "Clustering by compression", IEEE
    Trans. Inf. Theory 51(4), 2005; cut to 0..1 because a real compressor passes both ends by some bytes. A
    baseline that is much larger than the window keeps it near 1, so no window is judged by it.
    """
    alone = compressed_size(baseline), compressed_size(window)
    distance = (compressed_size(baseline + window) - min(alone)) / max(alone)
    return min(1.0, max(0.0, distance))


def novelty(baseline: bytes, window: bytes) -> float:
    """Return the share of the window that the baseline does not explain: about 0 (known) to 1 (all new).

    (C(BW) - C(B)) / C(W): what the window costs after the baseline over what it costs alone. Not cut, so that
    shifted windows can be ranked by it; a real compressor passes both ends by some bytes. Compared with NCD
    and with the newest line, which windows are judged by, in docs/detection.md.
    """
    added = compressed_size(baseline + window) - compressed_size(baseline)
    return added / compressed_size(window)


def compression_ratio(data: bytes) -> float:
    """Return compressed over raw size; 0 for no data. Short texts pass 1, for a frame has a header."""
    return compressed_size(data) / len(data) if data else 0.0


def byte_entropy(data: bytes) -> float:
    """Return Shannon's entropy of the byte frequencies, in bits per byte: 0 to 8, and 0 for no data."""
    size = len(data)
    return sum(count / size * log2(size / count) for count in Counter(data).values())


def measure(baseline: bytes, window: bytes) -> Figures:
    """Return every figure of a window and its baseline, both given as normalised text."""
    return Figures(
        ncd=ncd(baseline, window),
        novelty=novelty(baseline, window),
        baseline_ratio=compression_ratio(baseline),
        window_ratio=compression_ratio(window),
        combined_ratio=compression_ratio(baseline + window),
        baseline_entropy=byte_entropy(baseline),
        window_entropy=byte_entropy(window),
    )
