"""Generate notebooks and labs from MyST Markdown, copy them for students, and execute notebooks for the site."""
