"""Write the reports of a run: a folder with a page for each student, a page of the class, and what changed."""
