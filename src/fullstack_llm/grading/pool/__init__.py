"""Processes for submissions: started, forked ahead, asked within a deadline, and ended."""
