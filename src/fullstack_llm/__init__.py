"""The code that the chapters, notebooks, labs and the grader of Full-Stack LLMs share."""
