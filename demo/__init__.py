"""The source systems of the demo: what a retailer already has before there is a lake.

Plays somebody else's systems, so it imports nothing of lake, ingest or app. See README.md here.
"""
