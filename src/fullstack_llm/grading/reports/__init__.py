"""What a run leaves behind: a folder of reports, pages for students and for the class, and what changed since."""
