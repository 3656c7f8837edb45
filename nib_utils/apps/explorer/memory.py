"""The last few of what was made, by key: what is dear is made once."""
from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable


class Memory:
    """`get` makes what is not there; beyond `most` the one that was asked for longest ago goes.

    >>> Memory(8).get("key", lambda: dear())
    """

    def __init__(self, most: int):
        self.most, self.kept = most, OrderedDict()

    def __contains__(self, key: Hashable) -> bool:
        return key in self.kept

    def get(self, key: Hashable, make: Callable[[], object]):
        """What is kept under this key, made now if it is not there; nothing is kept of what fails."""
        if key not in self.kept:
            self.kept[key] = make()
        self.kept.move_to_end(key)
        if len(self.kept) > self.most:
            self.kept.popitem(last=False)
        return self.kept[key]
