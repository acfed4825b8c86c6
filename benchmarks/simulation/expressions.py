"""DynamoDB's expressions, as far as the ledger uses them; any other raises ValueError. Pure.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.html
"""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any

Item = dict[str, Any]
Names = Mapping[str, str]
Condition = Callable[[Item, Names, Item], bool]
"""Tells of an item, with the names and values of the call, whether it is so."""

TOKEN = re.compile(r"\s*([#:]?\w+|<=|>=|<>|[(),=<>+])")
COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b,
    "<>": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
    "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b,
}
ZERO = {"N": "0"}
CLAUSE = re.compile(r"\b(SET|ADD|REMOVE)\b")


@lru_cache
def parse_condition(text: str) -> Condition:
    """Return a condition, or a key condition."""
    parser = _Parser(TOKEN.findall(text))
    condition = parser.either()
    if parser.tokens:
        raise ValueError(f"not understood: {parser.tokens} in {text!r}")
    return condition


def update(item: Item, expression: str, names: Names, values: Item) -> Item:
    """Return an item, changed."""
    changed = dict(item)
    _, *parts = CLAUSE.split(expression)
    for clause, actions in zip(parts[::2], parts[1::2], strict=True):
        for action in actions.split(","):
            target, _, operand = action.strip().partition(" ")
            name = names.get(target, target)
            if clause == "REMOVE":
                changed.pop(name, None)
            elif clause == "ADD":
                changed[name] = _sum(item.get(name, ZERO), values[operand])
            else:
                first, plus, second = operand.removeprefix("= ").partition(" + ")
                changed[name] = _look_up(first, item, names, values)
                if plus:
                    changed[name] = _sum(changed[name], _look_up(second, item, names, values))
    return changed


def _look_up(token: str, item: Item, names: Names, values: Item) -> Any:
    return values[token] if token.startswith(":") else item.get(names.get(token, token))


def _sum(one: Any, other: Any) -> Any:
    return {"N": str(Decimal(one["N"]) + Decimal(other["N"]))}


def _plain(value: Any) -> Any:
    """Return a value that can be compared; of other kinds than texts and numbers for equality."""
    return Decimal(value["N"]) if "N" in value else value.get("S", value)


class _Parser:
    def __init__(self, tokens: list[str]) -> None:
        self.tokens = tokens

    def either(self) -> Condition:
        conditions = [self._both()]
        while self._next_is("OR"):
            conditions.append(self._both())
        return lambda *given: any(condition(*given) for condition in conditions)

    def _both(self) -> Condition:
        conditions = [self._one()]
        while self._next_is("AND"):
            conditions.append(self._one())
        return lambda *given: all(condition(*given) for condition in conditions)

    def _one(self) -> Condition:
        if self._next_is("("):
            inner = self.either()
            self._expect(")")
            return inner
        first = self.tokens.pop(0)
        if self._next_is("("):
            return self._function(first)
        if self._next_is("IN"):
            self._expect("(")
            among = [self.tokens.pop(0)]
            while self._next_is(","):
                among.append(self.tokens.pop(0))
            self._expect(")")
            return lambda *given: any(
                _look_up(first, *given) == _look_up(other, *given) for other in among
            )
        compare, second = COMPARISONS[self.tokens.pop(0)], self.tokens.pop(0)

        def comparison(*given: Any) -> bool:
            one, other = _look_up(first, *given), _look_up(second, *given)
            return one is not None and other is not None and compare(_plain(one), _plain(other))

        return comparison

    def _function(self, name: str) -> Condition:
        first = self.tokens.pop(0)
        if name == "begins_with":
            self._expect(",")
            second = self.tokens.pop(0)
            self._expect(")")
            return lambda *given: bool(
                _plain(_look_up(first, *given)).startswith(_plain(_look_up(second, *given)))
            )
        self._expect(")")
        if name not in {"attribute_exists", "attribute_not_exists"}:
            raise ValueError(f"not understood: {name}")
        wanted = name == "attribute_exists"
        return lambda *given: (_look_up(first, *given) is not None) is wanted

    def _next_is(self, token: str) -> bool:
        if self.tokens[:1] == [token]:
            del self.tokens[0]
            return True
        return False

    def _expect(self, token: str) -> None:
        if not self._next_is(token):
            raise ValueError(f"expected {token!r}, not {self.tokens}")
