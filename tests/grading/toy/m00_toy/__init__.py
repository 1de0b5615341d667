"""A small lab, to test the grader with."""

ANSWERS = ()
EXERCISES = ("double", "count")
