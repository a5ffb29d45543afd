"""How many requests one server should have: so many that its queue is never empty, and hardly more.

A server batches what is in its queue. With too few requests it idles between two of ours; with too many they wait for minutes,
time out, and hold their images in memory. So its queue is looked at every second, more often while it is too short, and the number of
requests follows it.
"""

from __future__ import annotations

from collections import deque

FIRST = 64  # requests, before anything is known; and for servers that do not tell their queue
LEAST, MOST = 4, 2048
CALM = 3  # readings in a row that must show too long a queue until the pace is lowered
PATIENT = 0.25  # of the timeout: what a request may take on average


class Pace:
    """The limit of requests at one server.

    Args:
        fixed: a limit that somebody chose; it never changes. None: it follows the queue.
        timeout: seconds until a request is given up.

    Attributes:
        limit: requests that it should have at once.
        seconds: that a request took, averaged over about the last twenty.
        hungry: whether the queue was found too short although requests are at hand: it should be looked at again soon.
    """

    def __init__(self, fixed: int | None = None, timeout: float = 300) -> None:
        self.limit = fixed or FIRST
        self.seconds = 0.0
        self.hungry = False
        self._fixed, self._timeout = fixed is not None, timeout
        self._queues: deque[int] = deque(maxlen=CALM)

    def answered(self, seconds: float) -> None:
        """Take note of how long a request took."""
        self.seconds += 0.05 * (seconds - self.seconds)

    def see(self, running: int, waiting: int, sent: int) -> None:
        """Follow the queue.

        Args:
            running, waiting: requests in the server's batch and in its queue.
            sent: requests of ours that it has not answered; what is neither running nor waiting is at its front door.
        """
        queue, slow = max(waiting, sent - running), self.seconds > PATIENT * self._timeout
        short = queue < reserve(running)
        # What is still at the door may be what keeps the batch small: no reason to send less.
        self._queues.append(waiting)
        self.hungry = short and not slow and not self._fixed and self.limit / 2 <= sent and self.limit < MOST
        if self._fixed:
            return
        if slow:
            self.limit = max(LEAST, int(self.limit * 0.8))
        elif short and sent >= 0.9 * self.limit:
            self.limit = min(MOST, self.limit + max(LEAST, self.limit // 2))
        elif running and len(self._queues) == CALM and min(self._queues) > 4 * reserve(running):
            self.limit = max(LEAST, self.limit - (min(self._queues) - 2 * reserve(running)) // 2)


def reserve(running: int) -> int:
    """How many requests should wait behind a batch of `running`: captions of like length end together."""
    return max(8, running // 2)
