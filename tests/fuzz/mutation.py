"""Broken inputs made of good ones: bytes changed, cut, doubled, joined; JSON with other values."""

import json
import random
import struct
from collections.abc import Callable, Sequence
from typing import Any

MAX_BYTES = 300_000
HEAD_BYTES = 400
"""What is most fun to break: headers, and the first directory."""
NUMBERS = (0, 1, 2, 3, 7, 8, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0xFFFF, 0x10000, 2**31 - 1, 2**32 - 1)
FORMS = ("<H", ">H", "<I", ">I", "B", "<Q", ">Q")


def _nested(depth: int) -> list[Any]:
    """Return a list in a list, so many times."""
    return [_nested(depth - 1)] if depth else []


VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 3, 0.5, 1e308, 2**31, 2**64, 10**400, "", " ", "x", "none"),
    *("\ud800", "\x00", "\n", "../..", "/etc/passwd", "%2e%2e", "a" * 5_000, "é" * 100),
    *("https://a.example/x", "file:///etc/passwd", "http://[", "Manifest", "Collection", [], {}),
    *(float("nan"), float("inf"), _nested(50), _nested(400)),
    *([[]], [{}], [None], {"": ""}, {"id": 1}, {"name": 1, "value": None}, ["x"], [1, 2, 3]),
)


def mutate(chance: random.Random, corpus: Sequence[bytes]) -> bytes:
    """Return a broken copy of one of the inputs."""
    content = bytearray(chance.choice(corpus))
    for _ in range(chance.choice((1, 1, 2, 3, 5, 10, 30))):
        chance.choice(CHANGES)(chance, content, corpus)
    return bytes(content[:MAX_BYTES])


def mutate_json(chance: random.Random, corpus: Sequence[bytes]) -> bytes:
    """Return a copy of a JSON document with other values, or with bytes changed."""
    if chance.random() < 0.01:
        return b"[" * 100_000
    if chance.random() < 0.2:
        return mutate(chance, corpus)
    document = json.loads(chance.choice(corpus))
    for _ in range(chance.choice((1, 1, 2, 4))):
        document = _replaced(chance, document)
    return json.dumps(document).encode()


def _replaced(chance: random.Random, node: Any) -> Any:
    """Return a document in which one value, name or entry is another."""
    if not isinstance(node, dict | list) or not node or chance.random() < 0.1:
        return chance.choice(VALUES)
    if isinstance(node, list):
        place = chance.randrange(len(node))
        changed = [*node[:place], _replaced(chance, node[place]), *node[place + 1 :]]
        return changed * 2 if chance.random() < 0.05 else changed
    name = chance.choice(list(node))
    match chance.randrange(8):
        case 0:
            return {key: value for key, value in node.items() if key != name}
        case 1:
            return {**node, str(chance.choice(VALUES)): chance.choice(VALUES)}
        case _:
            return {**node, name: _replaced(chance, node[name])}


def _place(chance: random.Random, content: bytearray) -> int:
    size = min(len(content), HEAD_BYTES) if chance.random() < 0.6 else len(content)
    return chance.randrange(size) if size else 0


def _flip(chance: random.Random, content: bytearray, _corpus: Sequence[bytes]) -> None:
    if content:
        content[_place(chance, content)] ^= 1 << chance.randrange(8)


def _random_byte(chance: random.Random, content: bytearray, _corpus: Sequence[bytes]) -> None:
    if content:
        content[_place(chance, content)] = chance.randrange(256)


def _number(chance: random.Random, content: bytearray, _corpus: Sequence[bytes]) -> None:
    form, place = chance.choice(FORMS), _place(chance, content)
    size = struct.calcsize(form)
    if place + size <= len(content):
        number = chance.choice(NUMBERS) & (2 ** (8 * size) - 1)
        struct.pack_into(form, content, place, number)


def _cut(chance: random.Random, content: bytearray, _corpus: Sequence[bytes]) -> None:
    if chance.random() < 0.3:
        del content[_place(chance, content) :]


def _remove(chance: random.Random, content: bytearray, _corpus: Sequence[bytes]) -> None:
    place = _place(chance, content)
    del content[place : place + chance.choice((1, 2, 4, 16, 200))]


def _repeat(chance: random.Random, content: bytearray, _corpus: Sequence[bytes]) -> None:
    place, count = _place(chance, content), chance.choice((1, 4, 16, 300))
    content[place:place] = content[place : place + count] * chance.choice((1, 2, 50))


def _zero(chance: random.Random, content: bytearray, _corpus: Sequence[bytes]) -> None:
    place, count = _place(chance, content), chance.choice((4, 16, 100))
    content[place : place + count] = bytes(count)


def _splice(chance: random.Random, content: bytearray, corpus: Sequence[bytes]) -> None:
    other, place = chance.choice(corpus), _place(chance, content)
    start = chance.randrange(len(other)) if other else 0
    content[place:place] = other[start : start + chance.choice((4, 20, 100, 2_000))]


CHANGES: Sequence[Callable[[random.Random, bytearray, Sequence[bytes]], None]] = (
    *(_flip, _flip, _random_byte, _number, _number, _number),
    *(_cut, _remove, _repeat, _zero, _splice),
)
