"""Deploying to AWS: the dispatcher's bundle, the stack's change sets, and the removal of it all."""
