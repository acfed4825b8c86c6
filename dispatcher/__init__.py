"""The Lambda: a task file's upload becomes a run, one message per page, and workers."""
