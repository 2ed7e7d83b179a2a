"""GitHub's API as far as SQLMesh's CI bot speaks it: one pull request, its comments, its checks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.http_server import Handler, serve

REPOSITORY = "somebody/shop"
NUMBER = 7
_PULL = f"/repos/{REPOSITORY}/pulls/{NUMBER}"
_ISSUE = f"/repos/{REPOSITORY}/issues/{NUMBER}"


@dataclass(slots=True)
class FakeGithub:
    """`comments` by id, `checks` by name with all that they were told, `merged` by which method."""

    url: str = ""
    token: str = "secret"
    comments: dict[int, str] = field(default_factory=dict)
    checks: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    merged: str = ""
    _names: list[str] = field(default_factory=list)

    def opened(self) -> dict[str, Any]:
        """Return the event of a pull request that was opened."""
        return {"action": "opened", "pull_request": {"_links": {"self": {"href": self.url + _PULL}}}}

    def commented(self, body: str) -> dict[str, Any]:
        """Return the event of a comment."""
        pull = {"url": self.url + _PULL}
        return {"action": "created", "comment": {"body": body}, "issue": {"pull_request": pull}}

    def conclusions(self) -> dict[str, str]:
        """Return what each check came to."""
        return {name.removeprefix("SQLMesh - "): told[-1]["conclusion"] for name, told in self.checks.items()}

    def answer(self, method: str, path: str, sent: Any) -> tuple[int, Any]:
        match method, path.removeprefix(f"/repos/{REPOSITORY}").strip("/").split("/"):
            case "POST", ["graphql"]:
                return 200, {"data": {"repository": {"pullRequest": {"mergeStateStatus": "CLEAN"}}}}
            case "GET", ["pulls", _]:
                branch = {"ref": "tiers", "sha": "5ca1ab1e"}
                pull = {"number": NUMBER, "merged": bool(self.merged), "base": {"ref": "main"}}
                return 200, {"url": self.url + _PULL, "head": branch, **pull}
            case "GET", ["issues", _]:
                return 200, {"url": self.url + _ISSUE, "number": NUMBER}
            case "GET", ["pulls", _, "reviews"]:
                return 200, []
            case "PUT", ["pulls", _, "merge"]:
                self.merged = sent["merge_method"]
                return 200, {"merged": True, "message": "", "sha": "5ca1ab1e"}
            case "GET", ["issues", _, "comments"]:
                return 200, [self._comment(number) for number in self.comments]
            case "POST", ["issues", _, "comments"]:
                number = len(self.comments) + 1
                self.comments[number] = sent["body"]
                return 201, self._comment(number)
            case "PATCH", ["issues", "comments", number]:
                self.comments[int(number)] = sent["body"]
                return 200, self._comment(int(number))
            case "POST", ["check-runs"]:
                self._names.append(sent["name"])
                return 201, self._check(len(self._names) - 1, sent)
            case "PATCH", ["check-runs", number]:
                return 200, self._check(int(number), sent)
        return 404, {"message": f"no {method} {path} here"}

    def _comment(self, number: int) -> dict[str, Any]:
        url = f"{self.url}/repos/{REPOSITORY}/issues/comments/{number}"
        return {"id": number, "url": url, "body": self.comments[number]}

    def _check(self, number: int, sent: Any) -> dict[str, Any]:
        self.checks.setdefault(self._names[number], []).append(sent)
        return {"id": number, "url": f"{self.url}/repos/{REPOSITORY}/check-runs/{number}"}


@contextmanager
def fake_github() -> Iterator[FakeGithub]:
    """Serve a pull request from the branch `tiers` into `main`."""
    github = FakeGithub()

    class GithubHandler(Handler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            sent = json.loads(self.read_body() or b"null")
            if self.headers["Authorization"].split()[-1] != github.token:
                status, body = 401, {"message": "Bad credentials"}
            else:
                status, body = github.answer(self.command, self.path.split("?")[0], sent)
            self.answer(status, json.dumps(body).encode(), [("Content-Type", "application/json")])

    with serve(GithubHandler) as github.url:
        yield github
