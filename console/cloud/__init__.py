"""The embedded cloud: S3, SQS, DynamoDB, Batch and the Lambda's trigger, in one local process.

moto serves S3 (task files only), SQS and DynamoDB; `batch.py` serves Batch and starts jobs as local
processes; `uploads.py` invokes the dispatcher. Nothing here is imported by a stage.
"""
