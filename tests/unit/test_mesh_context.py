"""A Context that stays: loaded again when files changed, and only then; no service runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lake.errors import ConfigurationError
from lake.mesh.context import WarmContext
from lake.settings import Project
from tests.fakes.mesh import CONFIG

MODEL = "MODEL (name a.one, kind FULL);\nSELECT 1::INT AS x\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    config = CONFIG.format(cache=tmp_path / ".cache", tasks=1, trino="")
    (tmp_path / "config.yaml").write_text(config, encoding="utf-8")
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "one.sql").write_text(MODEL, encoding="utf-8")
    return tmp_path


@pytest.fixture
def warm(root: Path) -> Iterator[WarmContext]:
    warm = WarmContext(Project(root=root))
    yield warm
    warm.close()


def test_content_decides_and_not_time(warm: WarmContext, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file written again as it was loads nothing; another content does; a new config is a new Context."""
    from sqlmesh.core.context import Context

    loads: list[int] = []
    stock = Context.load

    def load(self: Context, *args: object, **kwargs: object) -> object:
        loads.append(1)
        return stock(self, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(Context, "load", load)
    model = root / "models" / "one.sql"
    with warm.use() as first:
        assert len(first.models) == 1
    model.write_text(MODEL, encoding="utf-8")
    with warm.use() as same:
        assert same is first
    assert len(loads) == 1
    model.write_text(MODEL.replace("AS x", "AS y"), encoding="utf-8")
    with warm.use() as changed:
        assert changed is first
        assert list(next(iter(changed.models.values())).columns_to_types or {}) == ["y"]
    assert len(loads) == 2
    with (root / "config.yaml").open("a", encoding="utf-8") as config:
        config.write("# another\n")
    with warm.use() as other:
        assert other is not first


def test_a_project_that_cannot_be_loaded_is_loaded_once_it_can(warm: WarmContext, root: Path) -> None:
    """The error is ours and in SQLMesh's words; the Context that stays is not left half loaded."""
    model = root / "models" / "one.sql"
    model.write_text("MODEL (name a.one, kind NO_SUCH_KIND);\nSELECT 1 AS x\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="NO_SUCH_KIND"), warm.use():
        pass
    model.write_text(MODEL, encoding="utf-8")
    with warm.use() as context:
        assert len(context.models) == 1
