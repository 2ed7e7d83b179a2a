"""Read models for pages and commands: what is there, how fresh it is, what flows where (I8: only reads).

Each reader is one part of a page and fails on its own with an error that names the service.
"""
