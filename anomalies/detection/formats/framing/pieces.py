"""One record of a stream as bytes."""

from typing import NamedTuple


class Piece(NamedTuple):
    """The line that a record begins in, its bytes, and how many it has in all where it was cut."""

    number: int
    data: bytes
    full_length: int
