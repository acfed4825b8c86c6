"""What the process does that all tiling processes are forked from: it loads the libraries.

multiprocessing imports this there, and only there.
"""

import signal

import boto3

from worker import confinement, page

__all__ = ["boto3", "confinement", "page"]

# A signal to the whole session is the worker's business. This ends with the worker.
signal.signal(signal.SIGTERM, signal.SIG_IGN)
