"""Mutants of the exact checker: every small fault put into attacks/checker.py, one at a time; do its tests notice?

    python tests/benchmarks/checker_mutants.py                 # on from where the last stopped: mutants/checker.jsonl
    python tests/benchmarks/checker_mutants.py --seconds 170   # for so long
    python tests/benchmarks/checker_mutants.py --survivors     # only show what was not noticed

The faults: a comparison, an operator, a constant, a sign, max for min, any for all, a rounding to another side, the two
values of a choice, a condition, a line without its `require` or without its sum.  Texts and the lines below `main` that
are run as a command have none.  Each mutant is a fork of one process, in which the tests have been collected and the
honest proofs made by the checker as it is; the first failure ends it.  They run in an order that their hashes give, so
that the share noticed is an estimate from the beginning.  Exit status 1 below 95%.

What survives changes nothing that is promised: each is in mutants.md, with the reason (the rest is a test to write).
Most faults of the arithmetic are noticed by tests/support/checker_model.py, with which it must agree to the bit.
"""

from __future__ import annotations

import argparse
import ast
import copy
import hashlib
import json
import os
import resource
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests/support"), str(ROOT / "tests/robustness")]

import checker_proofs

from attacks import checker

SOURCE = Path(checker.__file__)
LOG = ROOT / "mutants/checker.jsonl"
LEAST = 0.95
LIMIT = 60  # seconds of processor time for the tests of one mutant, which take about 10 when all pass
ORDER = "numbers", "model", "tree", "claims", "targets", "sets", "rows", "forged"
NOT_HERE = "needs_no_library"  # it starts the file itself, not the mutant; test_prover_faults.py is of the prover

COMPARE = {
    ast.Lt: [ast.LtE, ast.Gt], ast.LtE: [ast.Lt, ast.GtE], ast.Gt: [ast.GtE, ast.Lt], ast.GtE: [ast.Gt, ast.LtE],
    ast.Eq: [ast.NotEq], ast.NotEq: [ast.Eq], ast.In: [ast.NotIn], ast.Is: [ast.IsNot], ast.IsNot: [ast.Is],
}  # fmt: skip
BINARY = {
    ast.Add: [ast.Sub], ast.Sub: [ast.Add], ast.Mult: [ast.Add], ast.Div: [ast.Mult], ast.FloorDiv: [ast.Mult],
    ast.LShift: [ast.RShift], ast.RShift: [ast.LShift], ast.BitAnd: [ast.BitOr], ast.BitOr: [ast.BitAnd],
    ast.Pow: [ast.Mult], ast.Mod: [ast.Mult],
}  # fmt: skip
NAMES = {
    "maximum": "minimum", "minimum": "maximum", "max": "min", "min": "max", "any": "all", "all": "any",
    "ceil": "floor", "floor": "ceil", "rint": "floor", "inf": "nan", "rise": "fall", "fall": "rise",
    "inside": "outside", "outside": "inside", "low": "high", "high": "low", "zeros": "ones", "ones": "zeros",
}  # fmt: skip


def changes(node: ast.AST) -> list[ast.AST]:
    """What may stand instead of a node."""
    found: list[ast.AST] = []

    def put(**fields: object) -> None:
        new = copy.deepcopy(node)
        for name, value in fields.items():
            setattr(new, name, value)
        found.append(new)

    if isinstance(node, ast.Compare):
        for i, op in enumerate(node.ops):
            for other in COMPARE.get(type(op), []):
                put(ops=[*node.ops[:i], other(), *node.ops[i + 1 :]])
    elif isinstance(node, (ast.BinOp, ast.AugAssign)):
        for other in BINARY.get(type(node.op), []):
            put(op=other())
        if isinstance(node, ast.AugAssign):
            found.append(ast.Pass())
    elif isinstance(node, ast.UnaryOp):
        found.append(node.operand)
    elif isinstance(node, ast.BoolOp):
        put(op=ast.And() if isinstance(node.op, ast.Or) else ast.Or())
    elif isinstance(node, ast.Constant) and not isinstance(node.value, (str, bytes, type(None))):
        for value in [not node.value] if isinstance(node.value, bool) else [node.value + 1, node.value - 1]:
            put(value=value)
    elif isinstance(node, ast.Attribute) and node.attr in NAMES:
        put(attr=NAMES[node.attr])
    elif isinstance(node, ast.Name) and node.id in NAMES and isinstance(node.ctx, ast.Load):
        put(id=NAMES[node.id])
    elif isinstance(node, (ast.IfExp, ast.If, ast.While)):
        put(test=ast.UnaryOp(ast.Not(), node.test))
    elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "where":
        put(args=[node.args[0], node.args[2], node.args[1]])
    elif isinstance(node, ast.Expr) and ast.unparse(node).startswith("require("):
        found.append(ast.Pass())
    return found


@dataclass
class Mutant:
    """A node of the tree, and what is put in its place."""

    line: int
    text: str
    parent: ast.AST
    field: str
    place: int | None
    new: ast.AST


def mutants(source: str) -> tuple[ast.Module, dict[str, Mutant]]:
    """The tree, and its mutants by keys that an edit of other lines leaves as they are."""
    tree, lines = ast.parse(source), source.splitlines()
    made: dict[str, Mutant] = {}

    def visit(parent: ast.AST) -> None:
        for field, value in ast.iter_fields(parent):
            for place, node in list(enumerate(value)) if isinstance(value, list) else [(None, value)]:
                if not isinstance(node, ast.AST) or isinstance(node, ast.JoinedStr):
                    continue
                if isinstance(node, ast.If) and "__name__" in ast.unparse(node.test):
                    continue
                for new in changes(node):
                    ast.fix_missing_locations(ast.copy_location(new, node))
                    text = f"{ast.unparse(node)}  ->  {ast.unparse(new)}"
                    at = node if hasattr(node, "lineno") else parent
                    where = f"{lines[at.lineno - 1]} {at.col_offset} {text}"
                    text = text if len(text) < 200 else f"{text[:90]} ... {text[-100:]}"
                    key = hashlib.sha256(where.encode()).hexdigest()[:16]
                    made[key] = Mutant(at.lineno, text, parent, field, place, new)
                visit(node)

    visit(tree)
    return tree, made


def put(parent: ast.AST, field: str, place: int | None, node: ast.AST) -> None:
    if place is None:
        setattr(parent, field, node)
    else:
        getattr(parent, field)[place] = node


def logged() -> dict[str, bool]:
    lines = LOG.read_text().splitlines() if LOG.exists() else []
    return dict(map(json.loads, lines))


class Forks:
    """A pytest plugin: instead of running the tests once, run them in a fork for each mutant."""

    def __init__(self, tree: ast.Module, todo: dict[str, Mutant], until: float) -> None:
        self.tree, self.todo, self.until, self.healthy = tree, todo, until, True

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [item for item in items if NOT_HERE not in item.name and "faults" not in item.path.stem]
        items.sort(key=lambda item: ORDER.index(item.path.stem.removeprefix("test_")))

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        for case in checker_proofs.HONEST:
            checker_proofs.honest(*case)
        self.healthy = not self.noticed(session, None)
        LOG.parent.mkdir(exist_ok=True)
        with LOG.open("a") as log:
            for key, mutant in self.todo.items() if self.healthy else ():
                if time.monotonic() > self.until:
                    break
                noticed = self.noticed(session, mutant)
                print("." if noticed else f"\n{mutant.line}: {mutant.text}\n", end="", flush=True)
                print(json.dumps([key, noticed]), file=log, flush=True)
        return True

    def noticed(self, session: pytest.Session, mutant: Mutant | None) -> bool:
        sys.stdout.flush()
        child = os.fork()
        if child == 0:
            resource.setrlimit(resource.RLIMIT_CPU, (LIMIT, LIMIT))
            resource.setrlimit(resource.RLIMIT_AS, (1 << 33, 1 << 33))
            os._exit(self.fails(session, mutant))
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0

    def fails(self, session: pytest.Session, mutant: Mutant | None) -> int:
        from _pytest.runner import runtestprotocol

        try:
            if mutant is not None:
                put(mutant.parent, mutant.field, mutant.place, mutant.new)
                exec(compile(self.tree, str(SOURCE), "exec"), checker.__dict__)
            for item, after in zip(session.items, [*session.items[1:], None], strict=True):
                if any(report.failed for report in runtestprotocol(item, nextitem=after, log=False)):
                    return 1
        except BaseException:  # a mutant may do anything
            return 1
        return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=1e9)
    parser.add_argument("--survivors", action="store_true")
    given = parser.parse_args()
    tree, made = mutants(SOURCE.read_text())
    if not given.survivors:
        known = logged()
        todo = {key: made[key] for key in sorted(made) if key not in known}
        forks = Forks(tree, todo, time.monotonic() + given.seconds)
        options = ["-o", "addopts=--import-mode=importlib", "-p", "no:cacheprovider", "-p", "no:terminal", "-s"]
        pytest.main([*options, str(ROOT / "tests/attacks/checker")], plugins=[forks])
        if not forks.healthy:
            print("the tests fail without a mutant")
            return 1
    results = {key: noticed for key, noticed in logged().items() if key in made}
    for key in sorted((key for key, noticed in results.items() if not noticed), key=lambda key: made[key].line):
        print(f"{made[key].line}: {made[key].text}")
    share = sum(results.values()) / max(len(results), 1)
    print(f"{sum(results.values())} of {len(results)} noticed ({share:.1%}); {len(made)} mutants in all")
    return int(share < LEAST)


if __name__ == "__main__":
    sys.exit(main())
