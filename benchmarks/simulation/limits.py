"""AWS's published limits, and latencies: the parameters of the simulation. Pure.

Limits are those of a new account in a large region; most can be raised on request. Latencies are
not published but for an order of magnitude, so they are assumed, and varied.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class DynamoDb:
    """A table on demand.

    One partition, and so one item, takes so many units per second
    (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html).
    A new table takes 4,000 write units: four partitions; then twice the peak of the last 30
    minutes (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/on-demand-capacity-mode.html).
    An account's quota is 40,000 for each table
    (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html).
    """

    partition_write_units: int = 1_000
    partition_read_units: int = 3_000
    partitions: int | None = None
    """Of the table; None: as many as there are partition keys, as after weeks of use."""
    transaction_seconds: float = 0.010
    read_seconds: float = 0.004
    """Single digits of milliseconds: https://aws.amazon.com/dynamodb/features/"""


NEW_TABLE_PARTITIONS = 4
NEW_TABLE_WRITE_UNITS = 4_000
TABLE_WRITE_UNITS = 40_000


@dataclass(frozen=True, slots=True)
class Sqs:
    """A standard queue: calls are nearly unlimited, messages in flight are not.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-queues.html
    """

    in_flight: int = 120_000
    call_seconds: float = 0.020
    """Tens of milliseconds: https://aws.amazon.com/sqs/faqs/"""


@dataclass(frozen=True, slots=True)
class Batch:
    """SubmitJob takes 50 calls per second, as a bucket of tokens that a burst may empty.

    https://docs.aws.amazon.com/batch/latest/userguide/service_limits.html
    """

    submits_per_second: int = 50
    call_seconds: float = 0.100


@dataclass(frozen=True, slots=True)
class S3:
    """A partitioned prefix takes so many PUTs per second, and 100 to 200 ms to the first byte.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance.html
    """

    puts_per_second: int = 3_500
    prefixes: int | None = None
    """Partitions that S3 has made of the export's keys; None: as many as it takes."""
    download_seconds: float = 0.3
    upload_seconds: float = 0.3


@dataclass(frozen=True, slots=True)
class Aws:
    """All services."""

    dynamodb: DynamoDb = field(default_factory=DynamoDb)
    sqs: Sqs = field(default_factory=Sqs)
    batch: Batch = field(default_factory=Batch)
    s3: S3 = field(default_factory=S3)


LAMBDA_SECONDS = 900
"""https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""
