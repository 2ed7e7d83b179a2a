"""HTTP APIs: pure pieces for auth, pagination and retries, and the client that puts them on httpx."""
