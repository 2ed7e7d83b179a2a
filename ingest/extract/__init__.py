"""Extracts: what APIs and other sources hold into `raw.<stream>`, rows and cursor in one commit.

A `feed` gives blocks of `records`; `walk` judges them, leaves out what is `known`, and lands the rest.
"""
