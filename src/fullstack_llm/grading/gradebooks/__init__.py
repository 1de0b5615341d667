"""Convert scores to the formats of gradebooks: Canvas, Moodle, nbgrader, Gradescope, GitHub Classroom."""
