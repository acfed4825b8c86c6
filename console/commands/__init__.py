"""The subcommands of `tilepool`. What one needs is imported when it runs: `--help` is quick."""
