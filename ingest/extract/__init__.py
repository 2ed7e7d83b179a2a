"""Extracts: pages of an API into `raw.<stream>`, rows and cursor in one commit.

Pure pieces (source, pagination, page, cursor, retry) decide; `client` speaks HTTP, `landing` commits,
`run` wires them.
"""
