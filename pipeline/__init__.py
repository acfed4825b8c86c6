"""What the stages must agree on: task, message, pyramid, keys and URLs, ledger, jobs."""
