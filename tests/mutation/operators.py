"""The changes: for a node of a syntax tree, the nodes that could stand in its place."""

import ast
import re
from collections.abc import Iterator

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitAnd,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
_NAMES = {"any": "all", "all": "any", "min": "max", "max": "min", "minimum": "maximum", "maximum": "minimum"}
_SYMMETRIC = {"min", "max", "minimum", "maximum", "add", "multiply", "where"}  # nothing would change
_TYPED = {"isinstance", "issubclass", "getattr", "hasattr", "setattr", "cast"}  # any test would notice
_LOG_METHODS = {"debug", "info", "warning", "error", "exception", "critical"}


def expressions(node: ast.expr) -> Iterator[ast.expr]:
    """Yield what an expression may become."""
    match node:
        case ast.Compare() | ast.BoolOp() | ast.BinOp() | ast.UnaryOp():
            yield from _operations(node)
        case ast.Constant(value=bool()):
            yield ast.Constant(not node.value)
        case ast.Constant(value=int() | float()):
            yield ast.Constant(node.value + 1)
            yield ast.Constant(node.value - 1)
        case ast.Name(id=name, ctx=ast.Load()) if name in _NAMES:
            yield ast.Name(_NAMES[name], ast.Load())
        case ast.Attribute(attr=name, ctx=ast.Load()) if name in _NAMES:
            yield ast.Attribute(node.value, _NAMES[name], ast.Load())
        case ast.Call(args=[first, second, *others]) if _swappable(node):
            yield ast.Call(node.func, [second, first, *others], node.keywords)


def _operations(node: ast.Compare | ast.BoolOp | ast.BinOp | ast.UnaryOp) -> Iterator[ast.expr]:
    match node:
        case ast.Compare():
            for place, operator in enumerate(node.ops):
                operators = [*node.ops[:place], _COMPARISONS[type(operator)](), *node.ops[place + 1 :]]
                yield ast.Compare(node.left, operators, node.comparators)
        case ast.BoolOp():
            yield ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
            for place in range(len(node.values)):
                rest = node.values[:place] + node.values[place + 1 :]
                yield rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest)
        case ast.BinOp() if type(node.op) in _ARITHMETIC and not _is_text(node) and not is_type(node):
            yield ast.BinOp(node.left, _ARITHMETIC[type(node.op)](), node.right)
        case ast.UnaryOp(op=ast.Not() | ast.USub()):
            yield node.operand


def conditions(node: ast.expr) -> Iterator[ast.expr]:
    """Yield what a condition may become besides what `expressions` makes of it."""
    match node:
        case ast.UnaryOp(op=ast.Not()) | ast.Compare(ops=[ast.Eq() | ast.NotEq() | ast.Is() | ast.IsNot()]):
            pass  # negated already
        case ast.Compare(ops=[ast.In() | ast.NotIn()]):
            pass
        case _:
            yield ast.UnaryOp(ast.Not(), node)


def statements(node: ast.stmt, assigned_twice: set[str]) -> Iterator[ast.stmt]:
    """Yield what a statement may become: nothing, or a return of None.

    An assignment to a name is dropped only where the function assigns it elsewhere too: else any test would notice.
    """
    match node:
        case ast.Return(value=None) | ast.Raise() | ast.Continue() | ast.Break() | ast.Delete() | ast.AugAssign():
            yield ast.Pass()
        case ast.Return(value=ast.Constant(value=None)):
            pass
        case ast.Return():
            yield ast.Return(ast.Constant(None))
        case ast.Expr(value=ast.Call() | ast.Await() | ast.Yield() | ast.YieldFrom()):
            yield ast.Pass()
        case ast.Assign(targets=[target]) | ast.AnnAssign(target=target, value=ast.expr()):
            names = _names(target)
            if names is None or names <= assigned_twice:
                yield ast.Pass()


def assigned_names(function: ast.AST) -> Iterator[str]:
    """Yield each name that a function assigns to, as often as it does. Comprehensions have names of their own."""
    for child in ast.iter_child_nodes(function):
        if isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store):
            yield child.id
        elif not isinstance(child, ast.comprehension):
            yield from assigned_names(child)


def is_log(node: ast.AST) -> bool:
    """Whether a statement only writes to the log."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Call)
        and isinstance(node.value.func, ast.Attribute)
        and node.value.func.attr in _LOG_METHODS
        and "log" in ast.unparse(node.value.func.value).lower()
    )


def is_type(node: ast.expr) -> bool:
    """Whether an expression is a union of types."""
    match node:
        case ast.BinOp(op=ast.BitOr()):
            return is_type(node.left) and is_type(node.right)
        case ast.Constant(value=None):
            return True
        case ast.Name() | ast.Attribute() | ast.Subscript():
            return bool(re.fullmatch(r"(\w+\.)*([A-Z]\w*|str|bytes|bool|int|float)(\[.*\])?", ast.unparse(node)))
        case _:
            return False


def _is_text(node: ast.BinOp) -> bool:
    return any(
        isinstance(side, ast.JoinedStr) or (isinstance(side, ast.Constant) and isinstance(side.value, str | bytes))
        for side in (node.left, node.right)
    )


def _swappable(node: ast.Call) -> bool:
    first, second = node.args[:2]
    called = ast.unparse(node.func).rpartition(".")[2]
    return (
        called not in _SYMMETRIC | _TYPED
        and not isinstance(first, ast.Starred)
        and not isinstance(second, ast.Starred)
        and ast.dump(first) != ast.dump(second)
    )


def _names(target: ast.expr) -> set[str] | None:
    """Return the names that a target consists of; None where it is, or holds, an attribute or an item."""
    if isinstance(target, ast.Tuple):
        parts = [_names(part) for part in target.elts]
        return None if None in parts else {name for part in parts for name in part or ()}
    return {target.id} if isinstance(target, ast.Name) else None
