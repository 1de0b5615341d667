"""The same hub to try out: on this machine alone, any name and one password, all students under this account.

`make hub` starts it in a folder of its own, where it keeps everything: homes, database, secrets.
"""

import os
from pathlib import Path

HERE = Path.cwd()

c = get_config()
load_subconfig(str(Path(__file__).with_name("jupyterhub_config.py")))

c.JupyterHub.bind_url = f"http://127.0.0.1:{os.environ.get('HUB_PORT', '8000')}"
c.JupyterHub.hub_port = int(os.environ.get("HUB_API_PORT", "8081"))
c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{os.environ.get('HUB_PROXY_PORT', '8001')}"

c.JupyterHub.authenticator_class = "dummy"
c.DummyAuthenticator.password = os.environ["HUB_PASSWORD"]
c.Authenticator.allow_all = True

c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = str(HERE / "home" / "{username}")
if os.geteuid() == 0:
    c.Spawner.args.append("--allow-root")
