"""The dead letters' contract: nothing is lost, and nobody sees what another has in hand."""

import time
from collections import Counter

import pytest

from pipeline import dead_letters as dead_letters_module
from pipeline.dead_letters import DeadLetter, DeadLetters, letter_attributes
from pipeline.message import Message
from tests.builders import a_message
from tests.fakes import MemoryQueue
from tests.queues import SqsQueue

REFUSED_BY_SQS = "\x00\x08\x1b\x1f\ufffe\uffff"
"""https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html"""


@pytest.fixture
def dead_letters(queue: MemoryQueue | SqsQueue, monkeypatch: pytest.MonkeyPatch) -> DeadLetters:
    """Both kinds; a look into the embedded queue is complete without waiting."""
    monkeypatch.setattr(dead_letters_module, "WAIT_SECONDS", 0)
    return queue.dead_letters


def bury(dead_letters: DeadLetters, message: Message, reason: str = "damaged") -> None:
    attributes = letter_attributes(message, reason, 3)
    dead_letters.bury(message.to_json(), attributes, message.run_id)


def look(dead_letters: DeadLetters, most: int = 100) -> list[DeadLetter]:
    with dead_letters.take(most) as hand:
        return list(hand.letters())


def pages(letters: list[DeadLetter]) -> list[int]:
    return sorted(letter.message.page for letter in letters if letter.message is not None)


def test_a_letter_comes_back_as_it_was_buried(dead_letters: DeadLetters) -> None:
    message = a_message("run-7", item="Nº 7, “Böhm”", page=4, part=2)
    bury(dead_letters, message, "the file is damaged: é")
    (letter,) = look(dead_letters)
    assert (letter.message, letter.group) == (message, "run-7")
    assert letter.attributes == {
        "run": "run-7",
        "item": "Nº 7, “Böhm”",
        "page": "4",
        "part": "2",
        "reason": "the file is damaged: é",
        "attempts": "3",
    }
    assert abs(letter.sent_at - time.time()) < 600


@pytest.mark.parametrize("character", REFUSED_BY_SQS)
def test_what_sqs_refuses_in_an_attribute_keeps_no_letter_out(
    dead_letters: DeadLetters, character: str
) -> None:
    bury(dead_letters, a_message(item=f"a{character}b"), f"damaged {character}!")
    (letter,) = look(dead_letters)
    assert letter.message == a_message(item=f"a{character}b")
    assert (letter.attributes["item"], letter.attributes["reason"]) == ("a b", "damaged  !")


def test_an_empty_attribute_is_left_out(dead_letters: DeadLetters) -> None:
    bury(dead_letters, a_message(), "")
    (letter,) = look(dead_letters)
    assert "reason" not in letter.attributes


def test_a_letter_that_is_no_message_of_ours_is_seen_too(dead_letters: DeadLetters) -> None:
    dead_letters.bury("Dear colleague", {"reason": "not JSON"}, "none")
    (letter,) = look(dead_letters)
    assert (letter.body, letter.message, letter.group) == ("Dear colleague", None, "none")


def test_more_letters_than_a_batch_holds_are_seen_each_once(dead_letters: DeadLetters) -> None:
    for page in range(1, 24):
        bury(dead_letters, a_message(page=page))
    assert dead_letters.depth() == 23
    assert pages(look(dead_letters)) == list(range(1, 24))


def test_all_are_put_back_at_the_end(dead_letters: DeadLetters) -> None:
    for page in range(1, 13):
        bury(dead_letters, a_message(page=page))
    first, second = look(dead_letters), look(dead_letters)
    assert pages(first) == pages(second) == list(range(1, 13))


def test_all_are_put_back_where_a_look_breaks_off(dead_letters: DeadLetters) -> None:
    for page in range(1, 13):
        bury(dead_letters, a_message(page=page))
    with pytest.raises(StopIteration), dead_letters.take(100) as hand:
        next(letter for letter in hand.letters() if letter.body == "not there")
    assert len(look(dead_letters)) == 12


def test_no_more_are_taken_than_asked_for(dead_letters: DeadLetters) -> None:
    for page in range(1, 16):
        bury(dead_letters, a_message(page=page))
    assert len(look(dead_letters, 12)) == 12
    assert len(look(dead_letters)) == 15


def test_a_letter_that_is_removed_is_gone_and_no_other(dead_letters: DeadLetters) -> None:
    for page in range(1, 16):
        bury(dead_letters, a_message(page=page))
    with dead_letters.take(100) as hand:
        for letter in hand.letters():
            if letter.message is not None and letter.message.page % 2:
                hand.remove(letter)
    assert pages(look(dead_letters)) == list(range(2, 16, 2))
    assert dead_letters.depth() == 7


def test_of_two_equal_letters_one_is_removed(dead_letters: DeadLetters) -> None:
    for _ in range(2):
        bury(dead_letters, a_message())
    with dead_letters.take(100) as hand:
        hand.remove(next(hand.letters()))
    assert len(look(dead_letters)) == 1


def test_nobody_sees_what_another_has_in_hand(dead_letters: DeadLetters) -> None:
    for page in range(1, 6):
        bury(dead_letters, a_message(page=page))
    with dead_letters.take(3) as hand:
        mine = list(hand.letters())
        others = look(dead_letters)
        assert dead_letters.depth() == 5
    assert Counter(pages(mine + others)) == Counter(range(1, 6))
    assert (len(mine), len(others)) == (3, 2)


def test_what_is_buried_meanwhile_is_kept(dead_letters: DeadLetters) -> None:
    bury(dead_letters, a_message(page=1))
    with dead_letters.take(100) as hand:
        for letter in hand.letters():
            if letter.message == a_message(page=1):
                bury(dead_letters, a_message(page=2))
                hand.remove(letter)
    assert pages(look(dead_letters)) == [2]
