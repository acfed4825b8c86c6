"""The embedded cloud: one process with S3, SQS, DynamoDB, Batch and the Lambda's trigger, on 127.0.0.1.

moto serves S3 (task files only), SQS and DynamoDB; `batch.py` serves Batch and starts jobs as local
processes; `uploads.py` invokes the dispatcher. Nothing here is imported by a stage.
"""
