"""One invocation of the dispatcher's Lambda: the event comes on standard input."""

import json
import sys

from dispatcher.handler import lambda_handler


def main() -> None:
    """Invoke the handler and log what it returns."""
    json.dump(lambda_handler(json.load(sys.stdin), None), sys.stdout)


if __name__ == "__main__":
    main()
