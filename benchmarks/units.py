"""What reads and writes of a DynamoDB item cost. Pure.

The limits, and what a call costs:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html
"""

import math
from collections.abc import Mapping
from typing import Any

ITEM_WRITE_UNITS = 1_000
"""Write units per second that one item, or one partition, takes."""
ITEM_READ_UNITS = 3_000
WRITE_UNIT_BYTES = 1_024
READ_UNIT_BYTES = 4_096
PER_TRANSACTION = 2
"""A transaction's write costs twice a plain one's: it is prepared, and committed."""


def item_size(item: Mapping[str, Mapping[str, Any]]) -> int:
    """Return an item's size in bytes, as DynamoDB counts it.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
    """
    return sum(len(name.encode()) + _value_size(value) for name, value in item.items())


def _value_size(value: Mapping[str, Any]) -> int:
    ((kind, content),) = value.items()
    match kind:
        case "S":
            return len(content.encode())
        case "N":
            return len(content.strip("-").replace(".", "")) // 2 + 2
        case "BOOL" | "NULL":
            return 1
        case "L":
            return 3 + sum(1 + _value_size(entry) for entry in content)
        case "M":
            return 3 + len(content) + item_size(content)
    raise ValueError(f"a kind of value that no row has: {kind}")


def write_units(size: int) -> int:
    """Return what writing an item of so many bytes in a transaction costs."""
    return PER_TRANSACTION * max(1, math.ceil(size / WRITE_UNIT_BYTES))


def read_units(size: int) -> int:
    """Return what a strongly consistent read of an item of so many bytes costs."""
    return max(1, math.ceil(size / READ_UNIT_BYTES))
