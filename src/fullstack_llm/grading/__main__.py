"""Command line of the grader: `grade` a folder of submissions, or `check` one's own notebook."""

import os
import sys

# Before anything else is imported: a json.py or torch.py in the working folder must not run here.
if __name__ == "__main__" and not sys.flags.safe_path:
    # The judge's own checks are small: more threads would only wait for each other, and for the workers'.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.execv(sys.executable, [sys.executable, "-P", "-s", "-m", "fullstack_llm.grading", *sys.argv[1:]])

if __name__ == "__main__":
    import signal

    from fullstack_llm.grading.cli.commands import main

    # A stopped run leaves what it graded, as an interrupted one does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main(sys.argv[1:]))
