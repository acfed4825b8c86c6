"""S3, DynamoDB and SQS as far as a dispatch needs them, in a process of their own.

    python benchmarks/stand_in.py LATENCY_MS

Every answer takes so long; nothing is limited. S3 has IMAGES images in items of 200, of which only
a page of the listing at a time is made. Listens on a port that is printed; `/reset?images=N`
forgets all, `GET /calls` tells the calls by their names.
"""

import asyncio
import json
import re
import sys
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any
from urllib.parse import parse_qs, urlsplit

KEYS_TO_A_PAGE = 1_000
PAGES_TO_AN_ITEM = 200
ANSWER_BYTES = 1_000_000
CSV = b"Identifier,Title\n"
HEAD_END = b"\r\n\r\n"
ETAG = "0123456789abcdef0123456789abcdef"

Row = dict[str, Any]


class Store:
    """What the three hold."""

    def __init__(self) -> None:
        self.reset(0)

    def reset(self, images: int) -> None:
        self.images = images
        self.calls: Counter[str] = Counter()
        self.table: dict[str, dict[str, bytes]] = defaultdict(dict)
        self.messages = 0

    def answer(self, method: str, target: str, url: str, body: bytes) -> bytes:
        """Answer a request."""
        path, query = urlsplit(url).path, parse_qs(urlsplit(url).query)
        if path == "/reset":
            self.reset(int(query["images"][0]))
            return b"{}"
        if path == "/calls":
            return json.dumps({**self.calls, "messages": self.messages}).encode()
        name = target.rpartition(".")[2]
        if not target:
            name = "ListObjectsV2" if "list-type" in query else "GetObject"
        self.calls[name] += 1
        if name == "GetObject":
            return CSV
        if name == "ListObjectsV2":
            return self.listed({key: values[0] for key, values in query.items()})
        return self.do(name, json.loads(body))

    def do(self, name: str, asked: Any) -> bytes:
        if name == "SendMessageBatch":
            self.messages += len(asked["Entries"])
            done = [
                {"Id": entry["Id"], "MessageId": entry["Id"], "MD5OfMessageBody": ETAG}
                for entry in asked["Entries"]
            ]
            return json.dumps({"Successful": done}).encode()
        if name == "GetItem":
            row = self.row(asked["Key"])
            return b'{"Item":%b}' % row if row else b"{}"
        if name == "BatchGetItem":
            ((table, wanted),) = asked["RequestItems"].items()
            found = [row for key in wanted["Keys"] if (row := self.row(key))]
            return b'{"Responses":{"%b":[%b]}}' % (table.encode(), b",".join(found))
        if name == "Query":
            return self.queried(asked)
        return self.transacted(asked["TransactItems"])

    def listed(self, asked: Mapping[str, str]) -> bytes:
        start = int(asked.get("continuation-token", 0))
        size = int(asked.get("max-keys", KEYS_TO_A_PAGE))
        end = min(start + size, self.images)
        contents = "".join(
            f"<Contents><Key>archive/Letters/box-{number // PAGES_TO_AN_ITEM:06d}/Access/"
            f"page-{number % PAGES_TO_AN_ITEM + 1:04d}.tif</Key>"
            "<LastModified>2026-03-01T12:00:00.000Z</LastModified>"
            f"<ETag>&quot;{ETAG}&quot;</ETag><Size>{40_000_000 + number}</Size></Contents>"
            for number in range(start, end)
        )
        more = f"<NextContinuationToken>{end}</NextContinuationToken>" if end < self.images else ""
        return (
            '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult>'
            f"<Name>scans</Name><KeyCount>{end - start}</KeyCount><MaxKeys>{size}</MaxKeys>"
            f"<IsTruncated>{'true' if more else 'false'}</IsTruncated>{more}{contents}"
            "</ListBucketResult>"
        ).encode()

    def row(self, key: Row) -> bytes | None:
        return self.table[key["pk"]["S"]].get(key["sk"]["S"])

    def queried(self, asked: Any) -> bytes:
        values = asked["ExpressionAttributeValues"]
        rows = self.table[values[":pk"]["S"]]
        prefix = values.get(":sk", {"S": ""})["S"]
        names = sorted(name for name in rows if name.startswith(prefix))
        start = asked.get("ExclusiveStartKey")
        first = bisect_right(names, start["sk"]["S"]) if start else 0
        found, size = [], 0
        for name in names[first:]:
            found.append(rows[name])
            size += len(rows[name])
            if size > ANSWER_BYTES:
                break
        last = {"pk": values[":pk"], "sk": {"S": names[first + len(found) - 1]}} if found else {}
        more = b"" if first + len(found) == len(names) else json.dumps(last).encode()
        end = b',"LastEvaluatedKey":%b' % more if more else b""
        return b'{"Items":[%b]%b}' % (b",".join(found), end)

    def transacted(self, entries: list[Row]) -> bytes:
        writes = [write for entry in entries for write in entry.items()]
        reasons = ["None" if self.holds(write) else "ConditionalCheckFailed" for _, write in writes]
        if any(reason != "None" for reason in reasons):
            kind = "com.amazonaws.dynamodb.v20120810#TransactionCanceledException"
            told = [{"Code": reason} for reason in reasons]
            return json.dumps({"__type": kind, "CancellationReasons": told}).encode()
        for kind, write in writes:
            self.write(kind, write)
        return b"{}"

    def holds(self, write: Row) -> bool:
        condition = write.get("ConditionExpression")
        if condition is None:
            return True
        row = self.row(write.get("Key") or write["Item"])
        return bool(compiled(condition)(json.loads(row) if row else {}, write))

    def write(self, kind: str, write: Row) -> None:
        key = write.get("Key") or write["Item"]
        rows, name = self.table[key["pk"]["S"]], key["sk"]["S"]
        if kind == "Put":
            rows[name] = json.dumps(write["Item"], separators=(",", ":")).encode()
        elif kind == "Delete":
            rows.pop(name, None)
        elif kind == "Update":
            row = json.loads(rows[name])
            for field, value in re.findall(r"#(\w+) = (:\w+)", write["UpdateExpression"]):
                row[field] = write["ExpressionAttributeValues"][value]
            rows[name] = json.dumps(row, separators=(",", ":")).encode()


@cache
def compiled(condition: str) -> Callable[[Row, Row], object]:
    """Return a condition of our own code as a function of an item and its write."""
    text = condition.replace("attribute_not_exists(pk)", "not row")
    text = text.replace("<>", "!=").replace(" AND ", " and ").replace(" OR ", " or ")
    text = re.sub(r" = ", " == ", text)
    text = re.sub(r"#(\w+)", r"value(row.get('\1'))", text)
    text = re.sub(r":(\w+)", r"value(write['ExpressionAttributeValues'][':\1'])", text)
    return eval(f"lambda row, write: {text}", {"value": value})  # type: ignore[no-any-return]  # noqa: S307


def value(attribute: Row | None) -> object:
    """Return a value that compares as DynamoDB's does."""
    if attribute is None:
        return None
    ((kind, content),) = attribute.items()
    return float(content) if kind == "N" else content


class Connection(asyncio.Protocol):
    """One client; its requests come one after another."""

    def __init__(self, store: Store, latency_seconds: float) -> None:
        self.store, self.latency_seconds = store, latency_seconds
        self.received = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport

    def data_received(self, data: bytes) -> None:
        self.received += data
        end = self.received.find(HEAD_END)
        if end < 0:
            return
        first, *lines = self.received[:end].decode("latin-1").split("\r\n")
        fields = {name.lower(): text for name, _, text in (line.partition(": ") for line in lines)}
        whole = end + len(HEAD_END) + int(fields.get("content-length", 0))
        if "100-continue" in fields.get("expect", "") and len(self.received) == end + 4:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if len(self.received) < whole:
            return
        body = bytes(self.received[end + len(HEAD_END) : whole])
        del self.received[:whole]
        method, url, _ = first.split(" ")
        answer = self.store.answer(method, fields.get("x-amz-target", ""), url, body)
        if self.latency_seconds:
            loop = asyncio.get_running_loop()
            loop.call_later(self.latency_seconds, self.send, answer)
        else:
            self.send(answer)

    def send(self, answer: bytes) -> None:
        refused = answer.startswith(b'{"__type"')
        status = b"400 Bad Request" if refused else b"200 OK"
        self.transport.write(
            b"HTTP/1.1 %b\r\nContent-Type: application/x-amz-json-1.0\r\n"
            b'ETag: "e"\r\nLast-Modified: Sun, 01 Mar 2026 12:00:00 GMT\r\n'
            b"Content-Length: %d\r\n\r\n%b" % (status, len(answer), answer)
        )


async def serve(latency_seconds: float) -> None:
    """Serve until the process is ended."""
    store, loop = Store(), asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Connection(store, latency_seconds), "127.0.0.1", 0, backlog=256
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]) / 1_000))
