"""Files on object storage and local paths: each once, into the stream's table."""
