"""What the code asks AWS for, by role of the template: recorded by `tox -e stack`.

`tests/stack` holds this to what is really asked, `tests/cfn` holds the template to this.
"""

from collections.abc import Mapping

LEDGER_READS = {"dynamodb:BatchGetItem", "dynamodb:GetItem"}
LEDGER_WRITES = {"dynamodb:DeleteItem", "dynamodb:PutItem", "dynamodb:UpdateItem"}
EXPORTS = {"s3:DeleteObject", "s3:GetObject", "s3:PutObject"}

CALLS: Mapping[str, frozenset[str]] = {
    "DispatcherRole": frozenset(
        {
            "batch:DescribeJobDefinitions",
            "batch:DescribeJobQueues",
            "batch:DescribeJobs",
            "batch:ListJobs",
            "batch:SubmitJob",
            "batch:TerminateJob",
            "dynamodb:ConditionCheckItem",
            "dynamodb:Query",
            "events:PutEvents",
            "s3:GetObject",
            "s3:GetObjectVersion",
            "s3:ListBucket",
            "sqs:ChangeMessageVisibility",
            "sqs:DeleteMessage",
            "sqs:GetQueueAttributes",
            "sqs:ReceiveMessage",
            "sqs:SendMessage",
        }
        | LEDGER_READS
        | LEDGER_WRITES
    ),
    "WorkerRole": frozenset(
        {
            "batch:ListJobs",
            "batch:SubmitJob",
            "dynamodb:ConditionCheckItem",
            "sqs:ChangeMessageVisibility",
            "sqs:DeleteMessage",
            "sqs:GetQueueAttributes",
            "sqs:ReceiveMessage",
            "sqs:SendMessage",
        }
        | EXPORTS
        | LEDGER_READS
        | LEDGER_WRITES
    ),
    "ManifestBuilderRole": frozenset(
        {"dynamodb:Query", "events:PutEvents", "s3:ListBucket"}
        | EXPORTS
        | LEDGER_READS
        | LEDGER_WRITES
    ),
}

RARE: Mapping[str, Mapping[str, str]] = {
    "DispatcherRole": {
        "batch:TerminateJob": "two processes start the same worker: tests/pipeline/test_pool.py",
    },
    "WorkerRole": {
        "batch:ListJobs": "a worker dies as it submits the final job: tests/chaos",
        "dynamodb:ConditionCheckItem": "a later run has the items: tests/worker/test_desk.py",
        "dynamodb:DeleteItem": "a later run has the items: tests/worker/test_desk.py",
        "sqs:ChangeMessageVisibility": "a page that takes long: tests/worker/test_heartbeat.py",
    },
    "ManifestBuilderRole": {
        "dynamodb:PutItem": "a builder was overtaken: tests/manifest_builder/test_rebuild.py",
    },
}
"""Those that the stack's story does not come to: when they are made, and what shows it."""

WITHOUT_CALLS: Mapping[str, Mapping[str, str]] = {
    "DispatcherRole": {
        "kms:Decrypt": "S3, for a bucket with a key",
        "logs:CreateLogStream": "Lambda",
        "logs:PutLogEvents": "Lambda",
    },
    "WorkerRole": {
        "kms:Decrypt": "S3, for a bucket with a key",
        "kms:GenerateDataKey": "S3, for a bucket with a key",
        "s3:AbortMultipartUpload": "the store, for an upload that was cut off",
        "s3:ListBucket": "S3 looks at it to tell what is missing from what is forbidden",
    },
    "ManifestBuilderRole": {
        "kms:Decrypt": "S3, for a bucket with a key",
        "kms:GenerateDataKey": "S3, for a bucket with a key",
        "s3:AbortMultipartUpload": "the store, for an upload that was cut off",
    },
}
"""What a role may although its code never calls it, and who needs it."""
