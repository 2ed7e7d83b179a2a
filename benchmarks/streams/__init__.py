"""The parts of `benchmarks/ingest.py`: what lands, the processes that are measured, a module a question."""
