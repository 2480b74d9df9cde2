"""Where the driver leaves orders for its workers, and workers their news for the driver.

Imported by an actor that is to start at once: nothing heavy may be imported here, and what is carried stays packed.
"""

from __future__ import annotations

import asyncio
from typing import Any


class Post:
    """An actor between a driver and its workers. One order at a time is in force: who starts late finds it."""

    def __init__(self) -> None:
        self._number, self._order = 0, None
        self._closed = False
        self._changed = asyncio.Condition()
        self._news: asyncio.Queue[tuple[int, bytes]] = asyncio.Queue()

    async def give(self, order: Any) -> int:
        """Put another order into force; returns its number, counted from 1."""
        async with self._changed:
            self._number, self._order = self._number + 1, order
            self._changed.notify_all()
            return self._number

    async def close(self) -> None:
        """There will be no more orders."""
        async with self._changed:
            self._closed = True
            self._changed.notify_all()

    async def order(self, after: int) -> tuple[int, Any] | None:
        """The order in force and its number, once that is greater than `after`; None when there will be no more."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._closed or self._number > after)
            return None if self._closed else (self._number, self._order)

    async def tell(self, number: int, news: bytes) -> None:
        """Leave news of an order for the driver."""
        self._news.put_nowait((number, news))

    async def news(self, seconds: float) -> list[tuple[int, bytes]]:
        """All news since the last call, in order; waits so long for the first."""
        try:
            found = [await asyncio.wait_for(self._news.get(), seconds)]
        except TimeoutError:
            return []
        while not self._news.empty():
            found.append(self._news.get_nowait())
        return found
