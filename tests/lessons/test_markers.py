"""No marker that is anything but exact gets past, because the price is a published answer."""

import pytest

from fullstack_llm.lessons.markers import MarkerError, blocks, to_stub

ANSWER = """\
def merge(ids, pair):
    \"\"\"Merge.\"\"\"
    # BEGIN SOLUTION: walk from "left" to right
    out = []

    return out
    # END SOLUTION
"""


def test_the_answer_goes_and_everything_else_stays():
    stub = to_stub(ANSWER, "merge")
    raised = 'raise NotImplementedError("merge: walk from \\"left\\" to right")'
    assert stub == f'def merge(ids, pair):\n    """Merge."""\n    {raised}\n'
    with pytest.raises(NotImplementedError, match='merge: walk from "left" to right'):
        namespace = {}
        exec(stub, namespace)
        namespace["merge"]([], (1, 2))


def test_several_answers_in_one_cell():
    source = "# BEGIN SOLUTION: first\na = 1\n# END SOLUTION\nb = 2\n# BEGIN SOLUTION: second\nc = 3\n# END SOLUTION"
    assert to_stub(source, "x").splitlines()[1] == "b = 2"
    assert len(blocks(source)) == 2


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("# BEGIN SOLUTION: a\n# BEGIN SOLUTION: b\nx\n# END SOLUTION\n# END SOLUTION", "inside the answer"),
        ("# BEGIN SOLUTION: a\nx", "never closed"),
        ("x\n# END SOLUTION", "never opened"),
        ("    # BEGIN SOLUTION: a\n    x\n  # END SOLUTION", "indented differently"),
        ("    # BEGIN SOLUTION: a\nx = 1\n    # END SOLUTION", "leaves the indentation"),
        ("# BEGIN SOLUTION: a\n# END SOLUTION", "empty answer"),
        ("# BEGIN SOLUTION\nx\n# END SOLUTION", "looks like a marker"),
        ("# BEGIN SOLUTION:\nx\n# END SOLUTION", "looks like a marker"),
        ("# begin solution: a\nx\n# END SOLUTION", "looks like a marker"),
        ("### BEGIN SOLUTION: a\nx\n### END SOLUTION", "looks like a marker"),
        ("#BEGIN SOLUTION: a\nx\n# END SOLUTION", "looks like a marker"),
        ("# BEGIN SOLUTION: a\nx = 1  # END SOLUTION", "looks like a marker"),
        ("# BEGIN SOLUTION: a\nx\n# END SOLUTION here", "looks like a marker"),
        ("# BEGIN HIDDEN TESTS\nx\n# END HIDDEN TESTS", "looks like a marker"),
        ("\t# BEGIN SOLUTION: a\n\tx\n\t# END SOLUTION", "looks like a marker"),
        ("x = 1", "marks no answer"),
    ],
)
def test_anything_odd_is_refused(source, message):
    with pytest.raises(MarkerError, match=message):
        to_stub(source, "x")
