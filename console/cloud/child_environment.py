"""The environment of all that runs on the embedded cloud: nothing in it reaches AWS. Pure."""

import os
from collections.abc import Mapping

REGION = "us-east-1"


def child_environment(parent: Mapping[str, str], url: str, access_key: str) -> dict[str, str]:
    """Return the parent's variables without its AWS settings, and with the cloud's instead."""
    kept = {
        name: value for name, value in parent.items() if not name.startswith(("AWS_", "TILEPOOL_"))
    }
    return kept | {
        "AWS_ACCESS_KEY_ID": access_key,
        "AWS_SECRET_ACCESS_KEY": access_key,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        "AWS_ENDPOINT_URL": url,
        "AWS_ALLOW_HTTP": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
        # A folder named `worker` where the command is run must not be taken for ours.
        "PYTHONSAFEPATH": "1",
        "PYTHONUNBUFFERED": "1",
    }
