"""The command line's help: commands in the order in which they are wanted, under headings."""

import click

SECTIONS = {
    "Run": ("demo", "local", "submit", "serve", "verify"),
    "Look": ("status", "runs", "failed", "dlq"),
    "Repair": ("replay", "finalize", "manifests"),
    "Control": ("scale", "cancel", "resume", "reconcile", "cloud"),
    "AWS": ("deploy", "destroy", "bundle"),
}


class Sections(click.Group):
    """A group that lists its commands in sections."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands, each with the first sentence of its help."""
        width = max(map(len, self.commands))
        for heading, names in SECTIONS.items():
            commands = {name: self.commands[name] for name in names if name in self.commands}
            limit = formatter.width - width - 6
            rows = [
                (name.ljust(width), command.get_short_help_str(limit))
                for name, command in commands.items()
            ]
            with formatter.section(heading):
                formatter.write_dl(rows)
