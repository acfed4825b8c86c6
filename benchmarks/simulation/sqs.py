"""A standard queue as its clients see it: long polls, leases, and messages in flight."""

import heapq
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from botocore.config import Config
from botocore.exceptions import ClientError

from benchmarks.simulation.clock import Clock, Task
from benchmarks.simulation.service import Client, World, refusal

LEASE_SECONDS = 30


@dataclass(slots=True)
class Entry:
    """A message; the handle of its last delivery ends with the number of that."""

    number: int
    body: str
    group: str | None
    receives: int = 0
    visible_at: float = 0.0

    @property
    def handle(self) -> str:
        return f"{self.number}-{self.receives}"


@dataclass
class Queue:
    """Messages that wait, those in flight by handle, and who waits for one."""

    clock: Clock
    waiting: deque[Entry] = field(default_factory=deque)
    in_flight: dict[str, Entry] = field(default_factory=dict)
    pollers: deque[Task] = field(default_factory=deque)
    _due: list[tuple[float, str]] = field(default_factory=list)
    _sent: int = 0

    def put(self, body: str, group: str | None, delay: float = 0) -> None:
        """Add a message."""
        self._sent += 1
        entry = Entry(self._sent, body, group)
        if delay > 0:
            self.lease(entry, delay)
        else:
            self._offer(entry)

    def take(self) -> Entry | None:
        """Take the message that is next, if there is one."""
        self._bring_back()
        return self.waiting.popleft() if self.waiting else None

    def lease(self, entry: Entry, seconds: float) -> None:
        """Hide a message for so long."""
        entry.visible_at = self.clock.now + seconds
        self.in_flight[entry.handle] = entry
        heapq.heappush(self._due, (entry.visible_at, entry.handle))

    def release(self, entry: Entry) -> None:
        """Let others have a message."""
        self.in_flight.pop(entry.handle, None)
        self._offer(entry)

    def wait(self, deadline: float) -> None:
        """Wait until there may be a message, at most until then."""
        until = min(deadline, self._due[0][0]) if self._due else deadline
        self.pollers.append(self.clock.current)
        if not self.clock.park(until - self.clock.now):
            self.pollers.remove(self.clock.current)

    def _offer(self, entry: Entry) -> None:
        self.waiting.append(entry)
        if self.pollers:
            self.clock.wake(self.pollers.popleft())

    def _bring_back(self) -> None:
        """Take back what was leased until now."""
        while self._due and self._due[0][0] <= self.clock.now:
            due, handle = heapq.heappop(self._due)
            entry = self.in_flight.get(handle)
            if entry is not None and entry.visible_at == due:
                self.release(entry)


class Sqs(Client):
    """A client of some queues, by URL."""

    def __init__(
        self, world: World, queues: Mapping[str, Queue], config: Config | None = None
    ) -> None:
        super().__init__(world, "sqs", config)
        self._queues = queues
        self._seconds = world.aws.sqs.call_seconds

    def receive_message(self, **call: Any) -> Any:
        """Wait for messages, and lease them."""
        queue = self._queues[call["QueueUrl"]]

        def serve() -> Any:
            deadline = self._world.clock.now + call["WaitTimeSeconds"]
            entry = queue.take()
            while entry is None and self._world.clock.now < deadline:
                queue.wait(deadline)
                entry = queue.take()
            taken = []
            while entry is not None:
                taken.append(entry)
                entry = queue.take() if len(taken) < call["MaxNumberOfMessages"] else None
            return {"Messages": [self._deliver(queue, one, call) for one in taken]}

        return self._call("ReceiveMessage", self._seconds, serve)

    def _deliver(self, queue: Queue, entry: Entry, call: Mapping[str, Any]) -> Any:
        meter = self._world.meter
        if len(queue.in_flight) >= self._world.aws.sqs.in_flight:
            raise ClientError(refusal("OverLimit", "ReceiveMessage"), "ReceiveMessage")
        entry.receives += 1
        queue.lease(entry, call.get("VisibilityTimeout", LEASE_SECONDS))
        meter.most_in_flight = max(meter.most_in_flight, len(queue.in_flight))
        attributes = {"ApproximateReceiveCount": str(entry.receives)}
        if entry.group is not None:
            attributes["MessageGroupId"] = entry.group
        return {"Body": entry.body, "ReceiptHandle": entry.handle, "Attributes": attributes}

    def delete_message(self, **call: Any) -> Any:
        """Delete a message."""
        return self._call("DeleteMessage", self._seconds, lambda: self._delete(call, [call]))

    def delete_message_batch(self, **call: Any) -> Any:
        """Delete messages."""
        entries = call["Entries"]
        return self._call("DeleteMessageBatch", self._seconds, lambda: self._delete(call, entries))

    def _delete(self, call: Mapping[str, Any], entries: Sequence[Mapping[str, Any]]) -> Any:
        for entry in entries:
            self._queues[call["QueueUrl"]].in_flight.pop(entry["ReceiptHandle"], None)
        return {"Successful": [{"Id": entry.get("Id", "")} for entry in entries], "Failed": []}

    def change_message_visibility(self, **call: Any) -> Any:
        """Lease a message anew."""

        def serve() -> None:
            if not self._change(call, call):
                operation = "ChangeMessageVisibility"
                raise ClientError(refusal("MessageNotInflight", operation), operation)

        return self._call("ChangeMessageVisibility", self._seconds, serve)

    def change_message_visibility_batch(self, **call: Any) -> Any:
        """Lease messages anew."""

        def serve() -> Any:
            answer: Any = {"Successful": [], "Failed": []}
            for entry in call["Entries"]:
                kept = self._change(call, entry)
                told = {"Id": entry["Id"], "Code": "MessageNotInflight"}
                answer["Successful" if kept else "Failed"].append(told)
            return answer

        return self._call("ChangeMessageVisibilityBatch", self._seconds, serve)

    def _change(self, call: Mapping[str, Any], given: Mapping[str, Any]) -> bool:
        queue = self._queues[call["QueueUrl"]]
        entry = queue.in_flight.get(given["ReceiptHandle"])
        if entry is None:
            return False
        if given["VisibilityTimeout"] > 0:
            queue.lease(entry, given["VisibilityTimeout"])
        else:
            queue.release(entry)
        return True

    def send_message(self, **call: Any) -> Any:
        """Add a message."""
        return self._call("SendMessage", self._seconds, lambda: self._send(call, [call]))

    def send_message_batch(self, **call: Any) -> Any:
        """Add messages."""
        entries = call["Entries"]
        return self._call("SendMessageBatch", self._seconds, lambda: self._send(call, entries))

    def _send(self, call: Mapping[str, Any], entries: Sequence[Mapping[str, Any]]) -> Any:
        queue = self._queues[call["QueueUrl"]]
        for entry in entries:
            group, delay = entry.get("MessageGroupId"), entry.get("DelaySeconds", 0)
            queue.put(entry["MessageBody"], group, delay)
        return {"Failed": []}

    def get_queue_attributes(self, **call: Any) -> Any:
        """Return how many messages there are."""
        queue = self._queues[call["QueueUrl"]]

        def serve() -> Any:
            numbers = {
                "ApproximateNumberOfMessages": len(queue.waiting),
                "ApproximateNumberOfMessagesNotVisible": len(queue.in_flight),
                "ApproximateNumberOfMessagesDelayed": 0,
            }
            return {"Attributes": {name: str(number) for name, number in numbers.items()}}

        return self._call("GetQueueAttributes", self._seconds, serve)
