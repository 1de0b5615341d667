#!/usr/bin/env bash
# Gradescope runs this once, as root and with a network, when the autograder's image is built.
set -euo pipefail
root="${AUTOGRADER_ROOT:-/autograder}"
source="$root/source"

export DEBIAN_FRONTEND=noninteractive
apt-get update
apt-get install -y --no-install-recommends bubblewrap g++
python=""
newer() { command -v "$1" >/dev/null && "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; }
for name in python3.11 python3 python3.12 python3.13; do
  if newer "$name"; then python="$name"; break; fi
done
if [[ -z "$python" ]]; then
  apt-get install -y --no-install-recommends python3.11 python3.11-venv
  python=python3.11
elif ! "$python" -c 'import ensurepip' 2>/dev/null; then
  apt-get install -y --no-install-recommends "$(basename "$(readlink -f "$(command -v "$python")")")-venv"
fi

"$python" -m venv "$root/venv"
venv="$root/venv/bin/python"
# The CPU build of PyTorch first, or pip would bring some gigabytes for a GPU.
"$venv" -m pip install --no-cache-dir --index-url https://download.pytorch.org/whl/cpu \
  "$(grep '^torch==' "$source/course/requirements.lock")"
"$venv" -m pip install --no-cache-dir -c "$source/course/requirements.lock" "$source/course[lessons,grading]"
"$venv" -m pip install --no-cache-dir --no-deps -r "$source/course/requirements-nodeps.lock"

# A submission runs as a user of its own, who must not read the judge's files, and must reach Python.
chmod 755 "$root"
"$venv" -P -s -m fullstack_llm.grading gradescope-run "$root" --close
