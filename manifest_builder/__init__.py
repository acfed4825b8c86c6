"""The final Batch job of a run: manifests, collection and the CSV's copy, from ledger and CSV."""
