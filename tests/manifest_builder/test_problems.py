from manifest_builder.problems import Problem, echo, tell


def test_problems_are_told_in_the_order_of_their_lines() -> None:
    problems = [Problem(7, "b"), Problem(3, "a"), Problem(None, "whole")]
    assert tell(problems) == ["CSV: whole", "CSV line 3: a", "CSV line 7: b"]


def test_the_same_mistake_in_several_rows_is_told_once() -> None:
    problems = [Problem(line, "same") for line in (9, 2)]
    assert tell(problems) == ["CSV lines 2, 9: same"]


def test_of_many_rows_the_first_are_named() -> None:
    problems = [Problem(line, "same") for line in range(2, 1_010)]
    assert tell(problems) == ["CSV lines 2, 3, 4, 5, 6 and 1,003 more: same"]


def test_a_cell_is_shown_in_part() -> None:
    assert echo("short") == "'short'"
    assert len(echo("x" * 1_000)) < 100
