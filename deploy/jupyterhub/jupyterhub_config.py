"""A JupyterHub for the course on one machine. The page *For hub administrators* of the course's site goes through it.

As root, in the course's folder, after `make hub-env`:

    .venv-hub/bin/jupyterhub --config deploy/jupyterhub/jupyterhub_config.py
"""

import os
import sys
from pathlib import Path

HUB = Path(sys.prefix)  # .venv-hub: the hub and JupyterLab; its one kernel, python3, is the course's own .venv
COURSE = HUB.parent / ".venv"
IDLE = 3600  # seconds after which what nobody uses is stopped, so that its memory is free again

c = get_config()

# Only this machine can reach it: a web server with a certificate (nginx, Caddy) stands in front.
c.JupyterHub.bind_url = "http://127.0.0.1:8000"
c.ConfigurableHTTPProxy.command = [str(HUB / "node_modules" / ".bin" / "configurable-http-proxy")]

# Accounts of this machine that are in this group. JupyterHub's default lets nobody in.
c.LocalAuthenticator.allowed_groups = {"fullstack-llm"}

c.Spawner.cmd = [str(HUB / "bin" / "jupyterhub-singleuser")]
c.Spawner.default_url = "/lab"
c.Spawner.args = [
    f"--MappingKernelManager.cull_idle_timeout={IDLE}",
    f"--ServerApp.shutdown_no_activity_timeout={IDLE}",
    # Terminals keep the path below; a login shell would begin with that of /etc/profile.
    "--ServerApp.terminado_settings=shell_command=['bash']",
]
c.Spawner.environment = {
    # Two busy processes with more threads than cores slow each other many times over.
    "OMP_NUM_THREADS": "2",
    "TOKENIZERS_PARALLELISM": "false",
    # In a terminal, `python` has the course as well: the labs say how to check a file there.
    "PATH": f"{COURSE / 'bin'}{os.pathsep}{os.environ['PATH']}",
}
