"""The meddler: carries out a run's strikes, plays the poisonous images, and keeps account."""

import json
import signal
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from tests.chaos.calls import Action, Call, Point
from tests.chaos.hands import Hands
from tests.chaos.http_messages import Request, Response, answer
from tests.chaos.processes import Census, Child, Role
from tests.chaos.proxy import Answer, Cut, Pass, Verdict
from tests.chaos.strikes import Moment, Strike, Weapon
from tests.chaos.witness import Witness

POISON = {"crash-": signal.SIGSEGV, "hang-": signal.SIGSTOP}
"""By the start of a file's name: what happens to a tiling process that asks for it."""
JSON = "application/x-amz-json-1.0"
OK = 200
LEASED = {Role.WORKER, Role.TILER}
"""Roles whose jobs hold messages."""


@dataclass
class Account:
    """What has happened, for checks and report."""

    strikes: Counter[tuple[Strike, Role]] = field(default_factory=Counter)
    poisoned: Counter[str] = field(default_factory=Counter)
    calls: Counter[Point] = field(default_factory=Counter)
    done: Counter[Point] = field(default_factory=Counter)
    """Calls that the cloud has carried out."""
    asked: set[tuple[Role, Action]] = field(default_factory=set)
    """What processes have to be allowed."""
    claims: int = 0
    """Of the final job of a run that was tiling."""

    @property
    def kills(self) -> int:
        """Return how many processes or jobs were ended."""
        return sum(times for (strike, _), times in self.strikes.items() if strike.weapon.is_kill)

    @property
    def ends(self) -> int:
        """Return how often a final job has ended the run."""
        return self.done[Point.FINISH]


@dataclass
class Chaos:
    """Decides on every request; `census` is told once the proxy has a port."""

    source: str
    dest: str
    hands: Hands
    witness: Witness
    random: Random
    census: Census = field(default_factory=lambda: Census("", 0))
    account: Account = field(default_factory=Account)
    left: list[Strike] = field(default_factory=list)
    """What has yet to happen in this phase."""
    letters: set[str] = field(default_factory=set)
    """Receipt handles of all dead letters that somebody has had in hand."""
    before_workers: Callable[[], None] | None = None
    """Called once, when the rows are sealed and the first worker is about to be submitted."""

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._children: dict[int, Child | None] = {}
        self._seen: Counter[Point] = Counter()

    def begin(self, strikes: list[Strike]) -> None:
        """Begin a phase: requests are counted anew."""
        with self._lock:
            # What may hit anybody comes last: it must not use up the one request of its kind.
            self.left = sorted(strikes, key=lambda strike: strike.point is Point.ANY)
            self._seen.clear()

    def connected(self, port: int) -> None:
        # While it waits for its first answer, the process is there to be found.
        self._children[port] = self.census.owner(port)

    def left_by(self, port: int) -> None:
        self._children.pop(port, None)

    def arrives(self, port: int, request: Request) -> Verdict:
        child = self._children.get(port)
        if child is None:
            # Its process has gone: what it asked for last never came this far.
            return Cut()
        call = Call(request, self.dest, child.role)
        with self._lock:
            self.account.asked |= {(child.role, action) for action in call.actions}
            for point in call.points:
                self._seen[point] += 1
                self.account.calls[point] += 1
            if self.before_workers and Point.SUBMIT_WORKER in call.points:
                self.before_workers()
                self.before_workers = None
            self._play_poison(call, child)
            strike = self._due(call, child, Moment.BEFORE)
            verdict: Verdict = self._carry_out(strike, call, child) if strike else Pass()
            if isinstance(verdict, Pass):
                for key in call.removed:
                    self.witness.delete(key)
        return verdict

    def answered(self, port: int, request: Request, response: Response) -> Verdict:
        child = self._children.get(port)
        if response.status >= 300:
            return Pass()
        call = Call(request, self.dest, child.role if child else Role.OPERATOR)
        with self._lock:
            self._note_letters(call, response)
        if child is None:
            return Pass()
        with self._lock:
            self._note(call, child, response)
            if call.operation == "ReceiveMessage" and not json.loads(response.body):
                return Pass()
            strike = self._due(call, child, Moment.AFTER)
            return self._carry_out(strike, call, child) if strike else Pass()

    def _play_poison(self, call: Call, child: Child) -> None:
        bucket, key = call.bucket_and_key if call.service == "s3" else ("", "")
        name = key.rpartition("/")[2]
        for start, signum in POISON.items():
            if bucket == self.source and key in self.hands.poison and name.startswith(start):
                self.account.poisoned[start] += child.signal_itself(signum)

    def _note_letters(self, call: Call, response: Response) -> None:
        """Note who has letters in hand: also one that was killed before it heard of them."""
        if call.operation == "ReceiveMessage" and call.values["QueueUrl"].endswith("-dead"):
            letters = json.loads(response.body).get("Messages", [])
            self.letters |= {entry["ReceiptHandle"] for entry in letters}

    def _note(self, call: Call, child: Child, response: Response) -> None:
        """Note what the cloud has done."""
        if call.key and call.operation == "PUT":
            self.witness.put(call.key, call.request.body)
        if call.operation == "ReceiveMessage" and child.role is Role.WORKER:
            self.hands.receive(child.session, json.loads(response.body))
        if call.operation == "DeleteMessage":
            self.hands.forget(call.values["ReceiptHandle"])
        if call.operation == "DeleteMessageBatch":
            for entry in call.values["Entries"]:
                self.hands.forget(entry["ReceiptHandle"])
        if call.operation == "TransactWriteItems":
            for write in call.writes:
                if write.is_page and write.sets("state", "done"):
                    item, page, part = write.sort.removeprefix("PAGE#").rsplit("#", 2)
                    self.witness.done(item, int(page), int(part))
                    self.hands.done.add((item, int(page), int(part)))
            closes = any("open" in write.values for write in call.writes)
            self.account.claims += closes and Point.CLAIM in call.points
        self.account.done.update(call.points)

    def _due(self, call: Call, child: Child, moment: Moment) -> Strike | None:
        """Take the first strike whose turn it is, if it may hit this process."""
        for strike in self.left:
            if (
                strike.moment is moment
                and strike.point in call.points
                and self._seen[strike.point] >= strike.number
                and self._may_hit(strike, call, child)
            ):
                self.left.remove(strike)
                return strike
        return None

    def _may_hit(self, strike: Strike, call: Call, child: Child) -> bool:
        if strike.point is Point.ANY:
            return bool(self._targets())
        if strike.weapon is Weapon.KILL_TILER and child.role is not Role.TILER:
            return False
        return child.role not in LEASED or self.hands.may_strike(child.session)

    def _targets(self) -> list[Child]:
        return [child for child in self.census.workers() if self.hands.may_strike(child.session)]

    def _carry_out(self, strike: Strike, call: Call, child: Child) -> Verdict:
        target = self.random.choice(self._targets()) if strike.point is Point.ANY else child
        self.account.strikes[strike, target.role] += 1
        match strike.weapon:
            case Weapon.KILL:
                target.signal_job(signal.SIGKILL)
            case Weapon.KILL_TILER:
                target.signal_itself(signal.SIGKILL)
            case Weapon.TERMINATE:
                target.signal_leader(signal.SIGTERM)
                return Pass()
            case Weapon.FAULT:
                return Answer(_fault(call, 500, "InternalServerError"))
            case Weapon.THROTTLE:
                return Answer(_fault(call, 503, "SlowDown"))
            case Weapon.LOSE:
                return Answer(answer(OK, b"{}", JSON))
            case Weapon.RESET:
                return Cut()
        return Pass() if target is not child else Cut()


def _fault(call: Call, status: int, code: str) -> bytes:
    """Return an error as the service writes it."""
    if call.service == "s3":
        body = f"<Error><Code>{code}</Code><Message>Chaos</Message></Error>".encode()
        return answer(status, body, "application/xml")
    if code == "SlowDown":
        status, code = 400, "ThrottlingException"
    body = json.dumps({"__type": code, "message": "Chaos"}).encode()
    return answer(status, body, JSON, ("x-amzn-ErrorType", code))
