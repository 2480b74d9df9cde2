"""The tests that every store must pass, for stores of others too. Needs pytest.

In a test file of yours, a fixture says how your store becomes known and what it is called:

    from cache.extensions import forget_plugins, load_plugins
    from cache.testing import StoreContract, UpkeepContract

    @pytest.fixture
    def store():
        load_plugins(["my_store.py"])
        yield "my-store"
        forget_plugins()

    class TestMyStore(StoreContract): ...

    class TestUpkeepOfMyStore(UpkeepContract): ...
"""

import pytest

pytest.register_assert_rewrite("cache.testing.store_contract", "cache.testing.upkeep_contract")

from cache.testing.store_contract import StoreContract  # noqa: E402 - after pytest knows that it holds assertions
from cache.testing.upkeep_contract import UpkeepContract  # noqa: E402

__all__ = ["StoreContract", "UpkeepContract"]
