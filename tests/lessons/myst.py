"""What MyST notebooks begin with, and a lab of one exercise."""

HEADER = """\
---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

"""
TITLE = HEADER + "# A lab\n\n"
ANSWER = """\
```{code-cell} python
:tags: [answer]
:exercise: double
def double(x):
    # BEGIN SOLUTION: add it to itself
    secret = x + x
    return secret
    # END SOLUTION
```
"""
CHECK = """
```{code-cell} python
:tags: [check]
:exercise: double
check(double)
```
"""
