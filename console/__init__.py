"""The `tilepool` command, and the embedded cloud that it runs on a laptop."""
