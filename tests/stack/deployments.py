"""Deploying and destroying in tests: the commands' functions, and what they print."""

import io
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from rich.console import Console

from console.aws.account import Account
from console.aws.bundle import build_bundle
from console.aws.deploy import Wanted, deploy
from console.aws.destroy import destroy
from console.errors import ExitCode

SMALL = (Path(__file__).parent / "small.yaml").read_text("utf-8")
EXTRA = "  Extra:\n    Type: AWS::SQS::Queue\n\n"

built = cache(build_bundle)
"""It takes seconds, and is the same each time."""


class Interrupting(io.StringIO):
    """A terminal at which somebody presses Ctrl-C when a word appears."""

    def __init__(self, word: str) -> None:
        super().__init__()
        self.word = word

    def write(self, text: str) -> int:
        if self.word in text:
            raise KeyboardInterrupt
        return super().write(text)


@dataclass
class Operator:
    """Somebody who works on one stack, without a terminal."""

    account: Account
    stack: str
    said: str = field(default="", init=False)

    @property
    def parameters(self) -> dict[str, str]:
        """Return what a new stack must be given."""
        return {
            "S3BucketName": self.bucket,
            "SourceBucketName": "scans",
            "DestBucketName": "exports",
        }

    @property
    def bucket(self) -> str:
        """Return the name of the stack's batch bucket."""
        return f"{self.stack}-tasks"

    def deploy(
        self,
        given: dict[str, str],
        template: str = SMALL,
        out: io.StringIO | None = None,
        **wanted: bool,
    ) -> ExitCode:
        asked = Wanted(self.stack, template, given, **wanted)  # type: ignore[arg-type]
        out = out or io.StringIO()
        try:
            return deploy(asked, self.account, Console(file=out, width=120), built)
        finally:
            self.said = out.getvalue()

    def destroy(
        self, *, yes: bool = True, keep_data: bool = False, out: io.StringIO | None = None
    ) -> ExitCode:
        out = out or io.StringIO()
        try:
            return destroy(
                self.stack, self.account, Console(file=out, width=120), yes=yes, keep_data=keep_data
            )
        finally:
            self.said = out.getvalue()

    def status(self) -> str | None:
        """Return the stack's state; None where there is no such stack."""
        for told in self.account.cloudformation.list_stacks()["StackSummaries"]:
            if told["StackName"] == self.stack and told["StackStatus"] != "DELETE_COMPLETE":
                return told["StackStatus"]
        return None

    def plans(self) -> list[str]:
        """Return the names of change sets that wait to be executed."""
        told = self.account.cloudformation.list_change_sets(StackName=self.stack)
        return [
            one["ChangeSetName"]
            for one in told["Summaries"]
            if one["ExecutionStatus"] == "AVAILABLE"
        ]

    def resources(self) -> set[str]:
        """Return the names of the stack's resources in its template."""
        told = self.account.cloudformation.list_stack_resources(StackName=self.stack)
        return {one["LogicalResourceId"] for one in told["StackResourceSummaries"]}

    def values(self) -> dict[str, str]:
        """Return the stack's parameters."""
        (told,) = self.account.cloudformation.describe_stacks(StackName=self.stack)["Stacks"]
        return {one["ParameterKey"]: one["ParameterValue"] for one in told["Parameters"]}

    def outputs(self) -> dict[str, str]:
        """Return the stack's outputs."""
        (told,) = self.account.cloudformation.describe_stacks(StackName=self.stack)["Stacks"]
        return {one["OutputKey"]: one["OutputValue"] for one in told["Outputs"]}

    def buckets(self) -> set[str]:
        """Return the names of all buckets."""
        return {str(one.get("Name")) for one in self.account.s3.list_buckets()["Buckets"]}

    def tables(self) -> set[str]:
        """Return the names of the stack's tables."""
        names = self.account.dynamodb.list_tables()["TableNames"]
        return {name for name in names if name.startswith(f"{self.stack}-")}

    def artifacts(self) -> int:
        """Return the number of the stack's artifacts."""
        bucket = f"tilepool-artifacts-{self.account.number}-{self.account.region}"
        if bucket not in self.buckets():
            return 0
        told = self.account.s3.list_objects_v2(Bucket=bucket, Prefix=f"{self.stack}/")
        return told["KeyCount"]
