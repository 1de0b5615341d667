"""Scores in the form that a gradebook reads: Canvas, Moodle, nbgrader, Gradescope, GitHub Classroom."""
