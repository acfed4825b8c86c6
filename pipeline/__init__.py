"""What the stages must agree on: the task, the message, the pyramid, every key and URL, the ledger."""
