"""Following a growing file line by line across rotations, truncations and restarts."""

from .events import Gap, Reached
from .follower import follow
from .position import Position
from .stop_signal import Stop

__all__ = ["Gap", "Position", "Reached", "Stop", "follow"]
