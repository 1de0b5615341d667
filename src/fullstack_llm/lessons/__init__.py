"""Lessons are written once, in MyST Markdown; this package generates what Colab, JupyterHub and students open."""
