"""One piece of work at a time, beside the thread that hears of clicks, so that a click can stop it."""
from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread, current_thread

SOON = 0.5  # seconds for which a click can wait; what takes longer can be stopped


class Stopped(Exception):
    """Who asked for it does not want it any more."""


def heed() -> None:
    """Raise Stopped in a Piece that is to stop; nothing in any other thread. Work calls it wherever it can end.

    >>> heed()
    """
    if getattr(current_thread(), "stopping", False):
        raise Stopped("stopped; what is seen is what was there before.")


class Piece(Thread):
    """Work in a thread of its own, begun when the one before has ended; `told` is called when it has an outcome."""

    def __init__(self, act: Callable[[], object], before: Piece | None, told: Callable[[Piece], None]):
        super().__init__(daemon=True)  # a kernel that is shut down does not wait for it
        self.act, self.before, self.told = act, before, told
        self.stopping, self.outcome = False, Future()

    def run(self) -> None:
        if self.before:
            self.before.join()
        self.before = None
        try:
            heed()
            self.outcome.set_result(self.act())
        except Exception as error:
            self.outcome.set_exception(error)
        self.told(self)


class Work:
    """What is under way, if anything; all but the work itself happens in the thread of the event loop."""

    def __init__(self):
        self.piece: Piece | None = None

    def do(self, act: Callable[[], object], then: Callable[[Callable[[], object]], None],
           late: Callable[[], None]) -> None:
        """Do `act`, then call `then` with a function that gives its result or raises its error.

        What is not done within SOON seconds goes on while the event loop does other things: `late` is called, and
        `then` afterwards. What was under way stops, and nothing more is heard of it. Without an event loop nobody can
        click, and all of it is done at once.

        >>> Work().do(lambda: 6 * 7, lambda result: print(result()), late=lambda: print("working ..."))
        """
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return then(act)
        before = self.piece
        self.stop()
        self.piece = Piece(act, before, lambda piece: loop.call_soon_threadsafe(self.end, piece, then))
        self.piece.start()
        self.piece.join(SOON)
        if self.piece.is_alive():
            late()
        else:
            self.end(self.piece, then)

    def stop(self) -> None:
        """What is under way ends at its next `heed`, with Stopped as its error."""
        if self.piece:
            self.piece.stopping = True

    def end(self, piece: Piece, then: Callable[[Callable[[], object]], None]) -> None:
        """Called twice for what was done soon, and for what another piece has taken the place of: once too often."""
        if piece is self.piece:
            self.piece = None
            then(piece.outcome.result)
