"""What PyTorch's own allocator says of a piece of work."""

from collections.abc import Callable

import torch


def allocated(work: Callable[[], object]) -> int:
    """The most bytes that were given out at once, kernels' scratch included, from the profiler's log."""
    with torch.profiler.profile(profile_memory=True) as profile:
        _kept = work()
    events = [each for each in profile.profiler.kineto_results.events() if each.name() == "[memory]"]
    now = peak = 0
    for each in sorted(events, key=lambda each: each.start_ns()):
        now += each.nbytes()
        peak = max(peak, now)
    return peak
