"""The Batch job that drains the queue: one page's message at a time per vCPU becomes tiles."""
