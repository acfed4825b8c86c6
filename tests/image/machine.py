"""What this machine is set up with, and steps of a Dockerfile need: indexes and mirrors.

Taken from the settings of pip and apt when a test runs; nothing of it is written down.
"""

import ast
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.image.container import Bind, Container

PIP_SETTINGS = {"index-url", "extra-index-url", "proxy", "retries", "timeout", "trusted-host"}
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
"""Docker hands these to steps as well, in both cases."""
NETWORK_FILES = ("/etc/resolv.conf", "/etc/hosts")
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"


def outside() -> Container:
    """Return the environment and files by which a step reaches the network and the index."""
    environment = {
        name: os.environ[name]
        for name in (*PROXIES, *map(str.lower, PROXIES))
        if name in os.environ
    }
    settings = pip_settings()
    for name, value in settings.items():
        # What lies on this machine's disk is not there for a step.
        addresses = [word for word in value.split() if not word.startswith(("file:", "/"))]
        if name in PIP_SETTINGS and addresses:
            environment[f"PIP_{name.upper().replace('-', '_')}"] = " ".join(addresses)
    binds = {path: Bind(source=Path(path)) for path in NETWORK_FILES if Path(path).exists()}
    if "cert" in settings:
        environment["PIP_CERT"] = CERTIFICATES
        binds[CERTIFICATES] = Bind(source=Path(settings["cert"]).resolve())
    return Container(binds=binds, environment=environment)


def pip_settings() -> Mapping[str, str]:
    """Return pip's own settings by name; its environment outdoes its files."""
    told = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    found = {}
    # The environment's lines, which begin with a colon, come last so.
    for line in sorted(told.splitlines(), key=lambda line: line.startswith(":env:")):
        name, _, value = line.partition("=")
        found[name.rpartition(".")[2]] = str(ast.literal_eval(value))
    return found


def debian_mirror() -> str | None:
    """Return the address from which apt gets Debian here; None where it gets it from nowhere."""
    try:
        told = subprocess.run(
            ["/usr/bin/apt-get", "indextargets", "--format", "$(REPO_URI)", "Label: Debian"],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    return next(iter(told.splitlines()), None)
