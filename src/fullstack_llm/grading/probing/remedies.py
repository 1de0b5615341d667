"""Say what to do on this machine about a level of isolation that its probes refused."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from fullstack_llm.grading.isolation.world import world
from fullstack_llm.worker.confine import landlock


def remedy(name: str) -> str:
    """Return the remedy for a missing level, as far as this machine's settings tell."""
    if name == "B":
        known = (
            f"version {landlock.abi_version()} here; Linux 5.13 or later with `landlock` in /sys/kernel/security/lsm"
        )
        if os.geteuid():
            return f"Remedy: a kernel with Landlock ({known}), or start the grader as root."
        judges = " ".join(str(path) for path in world().hidden)
        return f"Remedy: a kernel with Landlock ({known}), or close the judge's files: chmod -R go-rwx {judges}"
    if not shutil.which("bwrap"):
        return "Remedy: install bubblewrap, as in `apt-get install bubblewrap` (0.7 or later)."
    if Path("/.dockerenv").exists() or Path("/run/.containerenv").exists():
        return (
            "Remedy: the container forbids namespaces; start it with `--security-opt seccomp=unconfined --security-opt "
            "apparmor=unconfined --security-opt systempaths=unconfined`, or use level B."
        )
    if _setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1":
        return (
            "Remedy: Ubuntu's AppArmor keeps namespaces from bubblewrap; as root, copy bwrap-userns-restrict from "
            "/usr/share/apparmor/extra-profiles (package apparmor-profiles) to /etc/apparmor.d and load it with "
            "`apparmor_parser -r`; or use level B."
        )
    for path, bad in (("/proc/sys/user/max_user_namespaces", "0"), ("/proc/sys/kernel/unprivileged_userns_clone", "0")):
        if _setting(path) == bad:
            return f"Remedy: this machine forbids user namespaces ({path} is {bad}); ask its owner, or use level B."
    return "Remedy: see what bubblewrap says above (0.7 or later is needed), or use level B."


def _setting(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""
