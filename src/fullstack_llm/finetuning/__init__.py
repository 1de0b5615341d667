"""Supervised fine-tuning: labels, a linter for them, rows of several conversations, and the loop."""
