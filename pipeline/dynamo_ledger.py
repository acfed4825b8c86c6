"""The ledger in DynamoDB: every change is a guarded transition, so repeating one changes nothing.

Rows are described in `pipeline.rows`. Adapter: takes a client.
"""

from typing import TYPE_CHECKING

from pipeline.dynamo_items import DynamoItems
from pipeline.dynamo_pages import DynamoPages
from pipeline.dynamo_recording import DynamoRecording
from pipeline.dynamo_table import DynamoTable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient


class DynamoLedger(DynamoItems, DynamoRecording, DynamoPages):
    """The ledger, in one DynamoDB table; fulfils `pipeline.ledger.Ledger`."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        super().__init__(DynamoTable(client, table))
