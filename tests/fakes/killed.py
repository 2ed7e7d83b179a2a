"""The end of a process in the middle of its work, played inside the test's own."""


class KilledError(BaseException):
    """Stands for kill -9: nothing of the program's own handlers may catch it."""
