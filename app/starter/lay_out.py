"""Lay out a new project: an example of each kind of definition, nothing of this repository."""

from __future__ import annotations

import shutil
from pathlib import Path

from lake.contracts import load_contracts
from lake.contracts.external import write_external_models
from lake.errors import BadInputError
from lake.settings import Project

_FILES = Path(__file__).parent / "files"
_NAMES = {"gitignore": ".gitignore"}  # a dot file among the package's own would be taken at its word
_ANOTHER = "lake init DIR with a folder that is new or empty"


def lay_out(folder: Path) -> Project:
    """Write the files of a new project into `folder`, which is made when it is missing.

    Raises BadInputError when something lies there already: nothing is ever overwritten.
    """
    if folder.exists() and not folder.is_dir():
        raise BadInputError(f"{folder} is a file", hint=_ANOTHER)
    if folder.is_dir() and (found := next(folder.iterdir(), None)):
        raise BadInputError(f"{folder} is not empty: {found.name} is in it", hint=_ANOTHER)
    for source in sorted(path for path in _FILES.rglob("*") if path.is_file()):
        place = source.relative_to(_FILES)
        target = folder / place.with_name(_NAMES.get(place.name, place.name))
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    project = Project(root=folder.resolve())
    write_external_models(load_contracts(project.contracts), project.external_models)
    return project
