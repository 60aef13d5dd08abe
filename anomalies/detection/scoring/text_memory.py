"""The score of a session by its model."""

from dataclasses import dataclass

MEMORY_SIZE = 2_000  # events
MOST_COUNTS = 100_000  # of a token model: some 30 MB
FINE = 1_000_000  # parts of a bit: whole numbers add up to the same in every order


@dataclass(frozen=True, slots=True)
class News:
    """The surprise of a session.

    `share` is the part of its weight beyond what is usual, 0 to 1, `rate` its code length in bits, `weight`
    what it is ranked by, in millionths of a bit, `events` how many the model held. `why` says in a few words
    what the weight lies in.
    """

    share: float
    rate: float
    weight: int
    events: int
    why: str = ""
