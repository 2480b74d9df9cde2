"""Upkeep of our own stores keeps the contract that ships as `cache.testing`."""

from cache.testing import UpkeepContract


class TestUpkeepOfStores(UpkeepContract):
    """Of those of the table, by the fixture `store`."""

    locks = ("lock.mdb",)
