"""Framing: bytes are cut into records by lines, by the values of JSON, by counts of octets."""

from .choice import HEAD, Framing, framing_of
from .pieces import Piece

__all__ = ["HEAD", "Framing", "Piece", "framing_of"]
