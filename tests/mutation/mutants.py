"""Every change that a module could suffer, and a choice of them that a change elsewhere in the module leaves alone."""

import ast
import hashlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from mutation.core import Module
from mutation.operators import assigned_names, conditions, expressions, is_log, is_type, statements

_MESSAGES = {"expected", "remedy", "help", "description", "strict"}  # keywords whose values are no behaviour
_SHOWN = (ast.expr, ast.keyword, ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Return)
_TEXT_LENGTH = 60


@dataclass(frozen=True)
class Place:
    """Where a node hangs in its tree: `parent.field`, or `parent.field[index]`."""

    parent: ast.AST
    field: str
    index: int | None = None

    def put(self, node: ast.AST) -> None:
        if self.index is None:
            setattr(self.parent, self.field, node)
        else:
            getattr(self.parent, self.field)[self.index] = node


@dataclass(frozen=True)
class Mutant:
    """One change: `was` became `becomes` in `function` (empty at module level), which `lines` run."""

    module: Module
    tree: ast.Module = field(repr=False)
    place: Place = field(repr=False)
    node: ast.AST = field(repr=False)
    replacement: ast.AST = field(repr=False)
    function: str = ""
    lines: range = range(0)
    was: str = ""
    becomes: str = ""
    repeat: int = 0  # how many mutants of the function before it have the same two texts

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What a line of equivalent.txt names."""
        return self.module.path, self.function, self.was, self.becomes

    @property
    def line(self) -> int:
        return getattr(self.node, "lineno", self.lines.start)

    @property
    def at_import(self) -> bool:
        """Whether the change takes effect while the module is imported."""
        return not self.lines

    @contextmanager
    def applied(self) -> Iterator[ast.Module]:
        """Give the module's tree with the change in it."""
        self.place.put(ast.fix_missing_locations(ast.copy_location(self.replacement, self.node)))
        try:
            yield self.tree
        finally:
            self.place.put(self.node)

    def __str__(self) -> str:
        return f"{self.module.path}:{self.line}: {self.function or 'module'}: `{self.was}` -> `{self.becomes}`"


def mutants(module: Module) -> list[Mutant]:
    """Return every mutant of a module."""
    tree = ast.parse(module.source)
    found = _Walk(module, tree).found
    seen: Counter[tuple[str, str, str, str]] = Counter()
    numbered = []
    for mutant in found:
        numbered.append(replace(mutant, repeat=seen[mutant.key]))
        seen[mutant.key] += 1
    return numbered


def choose(found: list[Mutant], count: int, seed: int) -> list[Mutant]:
    """Return `count` of the mutants, by a hash of each, so that an edit replaces only the mutants that it touches."""

    def rank(mutant: Mutant) -> bytes:
        return hashlib.sha256(repr((seed, *mutant.key, mutant.repeat)).encode()).digest()

    return sorted(sorted(found, key=rank)[:count], key=lambda mutant: (mutant.line, mutant.becomes))


class _Walk:
    """A walk over a module that collects its mutants."""

    def __init__(self, module: Module, tree: ast.Module) -> None:
        self.module, self.tree = module, tree
        self.found: list[Mutant] = []
        self._function: list[str] = []
        self._lines = range(0)
        self._in_function = False
        self._assigned_twice: set[str] = set()
        self._body(tree, "body")

    def _body(self, parent: ast.AST, name: str) -> None:
        for index, statement in enumerate(getattr(parent, name)):
            self._statement(statement, Place(parent, name, index))

    def _statement(self, node: ast.stmt, place: Place) -> None:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self._define(node)
            case ast.ClassDef():
                self._function.append(node.name)
                self._body(node, "body")
                self._function.pop()
            case ast.Import() | ast.ImportFrom() | ast.Assert() | ast.Global() | ast.Nonlocal() | ast.Pass():
                pass
            case ast.Expr(value=ast.Constant()):
                pass
            case ast.If(test=test) if "TYPE_CHECKING" in ast.unparse(test):
                pass
            case _ if is_log(node):
                pass
            case _:
                before = self._lines
                self._lines = _header(node) if self._in_function else range(0)
                if self._in_function:
                    for other in statements(node, self._assigned_twice):
                        self._add(node, other, [place])
                if not isinstance(node, ast.Raise):
                    self._children(node, [place])
                self._lines = before

    def _define(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        if node.name in {"__repr__", "__str__"}:
            return
        self._function.append(node.name)
        for name in ("defaults", "kw_defaults"):
            for index, default in enumerate(getattr(node.args, name)):
                if default is not None:
                    self._expression(default, [Place(node.args, name, index)])
        names = Counter(assigned_names(node))
        before = self._in_function, self._assigned_twice, self._lines
        self._in_function, self._assigned_twice = True, {name for name, times in names.items() if times > 1}
        self._body(node, "body")
        self._in_function, self._assigned_twice, self._lines = before
        self._function.pop()

    def _children(self, node: ast.AST, places: list[Place]) -> None:
        """Visit what hangs below a node; `places` lead from its statement to it."""
        skipped = {"annotation", "returns", "decorator_list", "type", "pattern", "targets", "target", "ctx", "names"}
        for name, value in ast.iter_fields(node):
            if name in skipped and not (name == "targets" and isinstance(node, ast.Assign)):
                continue
            for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
                place = Place(node, name, index)
                if isinstance(child, ast.stmt):
                    self._statement(child, place)
                elif isinstance(child, ast.expr):
                    self._expression(child, [*places, place])
                    if name in {"test", "guard", "ifs"}:
                        for other in conditions(child):
                            self._add(child, other, [*places, place])
                elif isinstance(child, ast.AST) and not (isinstance(child, ast.keyword) and child.arg in _MESSAGES):
                    self._children(child, [*places, place])

    def _expression(self, node: ast.expr, places: list[Place]) -> None:
        if isinstance(node, ast.JoinedStr) or is_type(node):
            return
        for other in expressions(node):
            self._add(node, other, places)
        self._children(node, places)

    def _add(self, node: ast.AST, replacement: ast.AST, places: list[Place]) -> None:
        shown = node
        for place in reversed(places):  # the widest code around the change that still reads at a glance
            if not isinstance(place.parent, _SHOWN) or len(ast.unparse(place.parent)) > _TEXT_LENGTH:
                break
            shown = place.parent
        mutant = Mutant(self.module, self.tree, places[-1], node, replacement, ".".join(self._function), self._lines)
        was = ast.unparse(shown)
        with mutant.applied():
            becomes = ast.unparse(replacement if shown is node else shown)
        if was != becomes:
            self.found.append(replace(mutant, was=was, becomes=becomes))


def _header(node: ast.stmt) -> range:
    """The lines that run when a statement begins: all of a simple one, a compound one's up to its body."""
    body: list[Any] = getattr(node, "body", []) or getattr(node, "cases", [])
    first = body[0].pattern if body and isinstance(body[0], ast.match_case) else body[0] if body else None
    end = max(node.lineno + 1, first.lineno) if first else (node.end_lineno or node.lineno) + 1
    return range(node.lineno, end)
