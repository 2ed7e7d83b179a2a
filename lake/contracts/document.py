"""Read one YAML text as an Open Data Contract Standard document, with the line of every key.

The library's nested models ignore keys that they don't know, so a typing error would pass silently:
keys are compared with the models here, before anything is built.
"""

from __future__ import annotations

import types
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints

import yaml
from open_data_contract_standard import model as odcs
from pydantic import BaseModel, ValidationError
from yaml.constructor import SafeConstructor

from lake.errors import ConfigurationError

Key = tuple[str | int, ...]


class ContractError(ConfigurationError):
    """Something in a contract is wrong at a place, given as keys and positions; `line` counts from 1."""

    def __init__(self, at: Key, message: str, *, line: int = 1) -> None:
        super().__init__(message)
        self.at = at
        self.line = line


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A parsed text: the library's model and the line of each key."""

    model: odcs.OpenDataContractStandard
    lines: dict[Key, int]

    def line_of(self, at: Key) -> int:
        """Return the line of a place, or of the nearest place that encloses it."""
        return _line_of(at, self.lines)


def read_document(text: str) -> Document:
    """Parse a contract's text; raises ContractError with place and line for the first thing wrong."""
    try:
        node = yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = error.problem or error.context
        raise ContractError((), f"no valid YAML: {problem}", line=mark.line + 1 if mark else 1) from error
    if not isinstance(node, yaml.MappingNode):
        raise ContractError((), "a contract is a mapping of keys")
    lines: dict[Key, int] = {}
    try:
        _record_lines(node, (), lines)
        _refuse_unknown(node, odcs.OpenDataContractStandard, ())
        keys = SafeConstructor().construct_document(node)
        return Document(model=odcs.OpenDataContractStandard(**keys), lines=lines)
    except ContractError as error:
        error.line = _line_of(error.at, lines)
        raise
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        at = _known_place(first["loc"], lines)
        raise ContractError(at, first["msg"], line=_line_of(at, lines)) from error


def _line_of(at: Key, lines: dict[Key, int]) -> int:
    while at and at not in lines:
        at = at[:-1]
    return lines.get(at, 1)


def _known_place(location: tuple[str | int, ...], lines: dict[Key, int]) -> Key:
    """Drop the names of union members that pydantic mixes into a location."""
    place: Key = ()
    for part in location:
        if (*place, part) in lines:
            place = (*place, part)
    return place


def _record_lines(node: yaml.Node, at: Key, lines: dict[Key, int]) -> None:
    lines.setdefault(at, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = (*at, str(key.value))
            twice = inner in lines
            lines[inner] = key.start_mark.line + 1
            if twice:
                raise ContractError(inner, f"{key.value} stands twice")
            _record_lines(value, inner, lines)
    elif isinstance(node, yaml.SequenceNode):
        for position, value in enumerate(node.value):
            _record_lines(value, (*at, position), lines)


def _refuse_unknown(node: yaml.Node, model: type[BaseModel], at: Key) -> None:
    """Raise for the first key that the standard does not have at this place."""
    if not isinstance(node, yaml.MappingNode):
        return  # pydantic says what was expected instead
    known = _members(model)
    for key, value in node.value:
        name = str(key.value)
        if name not in known:
            close = get_close_matches(name, known, n=1)
            meant = f"; did you mean {close[0]}?" if close else ""
            raise ContractError((*at, name), f"the standard has no key {name} here{meant}")
        below = known[name]
        if isinstance(value, yaml.SequenceNode) and below.item:
            for position, item in enumerate(value.value):
                _refuse_unknown(item, below.item, (*at, name, position))
        elif below.mapping:
            _refuse_unknown(value, below.mapping, (*at, name))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Below:
    """The models under a key: of a mapping there, and of the items of a list there; None takes anything."""

    mapping: type[BaseModel] | None = None
    item: type[BaseModel] | None = None


@cache
def _members(model: type[BaseModel]) -> dict[str, _Below]:
    """Return the keys of a model as written in files."""
    hints = get_type_hints(model, vars(odcs))
    return {info.alias or name: _below(hints[name]) for name, info in model.model_fields.items()}


def _below(hint: Any) -> _Below:
    choices = get_args(hint) if get_origin(hint) in {Union, types.UnionType} else (hint,)
    mapping = item = None
    for choice in choices:
        if _is_model(choice):
            mapping = choice
        elif get_origin(choice) is list and _is_model(get_args(choice)[0]):
            item = get_args(choice)[0]
    return _Below(mapping=mapping, item=item)


def _is_model(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, BaseModel)
