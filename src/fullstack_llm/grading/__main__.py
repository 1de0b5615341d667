"""Start the grader's command line, isolated from the modules in the working folder."""

import os
import sys

# Start again with -P and -s before any other import, so that a json.py or torch.py in the working folder never runs.
if __name__ == "__main__" and not sys.flags.safe_path:
    # The checks' arrays are small: more threads would only wait for each other, and for those of the workers.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.execv(sys.executable, [sys.executable, "-P", "-s", "-m", "fullstack_llm.grading", *sys.argv[1:]])

if __name__ == "__main__":
    import signal

    from fullstack_llm.grading.cli.commands import main

    # SIGTERM is handled like Ctrl-C: the reports written so far are kept.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main(sys.argv[1:]))
