"""Mutants: small faults put into the code one at a time (mutmut); a test should notice each.

    make mutants                                    # 400 of them, always the same
    make mutants ARGS="--sample 50 --seed 1"        # others
    make mutants ARGS="--only minigrad/layers.py"   # all of one module

What mutates, and the tests: setup.cfg, [mutmut].  The sample: the mutants whose hashes, with the seed, are smallest, so
that an edit elsewhere in a module leaves the others in it.  mutants.md lists those that change nothing that is
promised, each with the reason; a survivor that is not in that list is a test to write.  Exit status 1 below 90% killed.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from mutmut.configuration import config
from mutmut.mutation.file_mutation import mutate_file_contents

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
LEAST = 0.9
KILLED, SURVIVED, NO_TEST = (1, 3), 0, (5, 33)  # exit codes; any other: stopped by the clock, or crashed

Key = tuple[str, str, str, str]  # path, function, old lines, new lines


@dataclass(frozen=True)
class Mutant:
    """One fault: the lines `old` of a function become `new`."""

    name: str  # mutmut's
    line: int
    key: Key

    def __str__(self) -> str:
        path, function, old, new = self.key
        change = [f"\n    {sign} {line}" for sign, lines in (("-", old), ("+", new)) for line in lines.split("\n")]
        return f"{path}:{self.line} {function}{''.join(change)}"


def mutants_of(path: str) -> list[Mutant]:
    source = Path(path).read_text()
    mutated = mutate_file_contents(path, source)
    lines, original, made = mutated.code.split("\n"), functions(source), functions(mutated.code)
    mutants = []
    for kind, name in made:
        if name not in mutated.mutant_names:
            continue
        stem = name.rpartition("__mutmut_")[0]  # x_f, or xǁClassǁf for a method
        plain = stem.rpartition("ǁ")[2] if kind else stem.removeprefix("x_")
        before, after = (
            [line.replace(f"{title}(", f"{plain}(") for line in lines[f.lineno - 1 : f.end_lineno]]
            for title in (f"{stem}__mutmut_orig", name)
            for f in [made[kind, title]]
        )
        changes = difflib.SequenceMatcher(None, before, after, False).get_opcodes()
        changes = [change for change in changes if change[0] != "equal"]
        old = "\n".join(line.strip() for _, i, j, _, _ in changes for line in before[i:j])
        new = "\n".join(line.strip() for _, _, _, i, j in changes for line in after[i:j])
        function = f"{kind}.{plain}" if kind else plain
        module = path.removesuffix(".py").replace("/", ".")
        line = original[kind, plain].lineno + changes[0][1]
        mutants.append(Mutant(f"{module}.{name}", line, (path, function, old, new)))
    return mutants


def functions(code: str) -> dict[tuple[str, str], ast.FunctionDef]:
    """The functions and methods of a module, by class ("" if none) and name."""
    found = {}
    for node in ast.parse(code).body:
        for inner in node.body if isinstance(node, ast.ClassDef) else [node]:
            if isinstance(inner, ast.FunctionDef):
                found["" if inner is node else node.name, inner.name] = inner
    return found


def draw(mutants: list[Mutant], count: int, seed: int) -> list[Mutant]:
    seen: Counter[Key] = Counter()
    ranked = []
    for mutant in mutants:
        seen[mutant.key] += 1  # the same line may stand twice in a function
        text = "\n".join([str(seed), *mutant.key, str(seen[mutant.key])])
        ranked.append((hashlib.sha256(text.encode()).hexdigest(), mutant))
    return [mutant for _, mutant in sorted(ranked, key=lambda pair: pair[0])[:count]]


def equivalents() -> dict[Key, str]:
    """mutants.md: under `## path` and `### function` the old lines, the new ones, and the reason."""
    known: dict[Key, str] = {}
    path = function = ""
    lines: list[str] = []
    reason: list[str] = []
    for line in [*(HERE / "mutants.md").read_text().splitlines(), "#"]:
        changed = line.startswith(("    - ", "    + "))
        if reason and (changed or line.startswith("#")):
            old, new = ("\n".join(text[6:] for text in lines if text[4] == sign) for sign in "-+")
            if lines:
                known[path, function, old, new] = " ".join(reason)
            lines, reason = [], []
        if line.startswith("## "):
            path = line[3:]
        elif line.startswith("### "):
            function = line[4:]
        elif changed:
            lines.append(line)
        elif line.strip():
            reason.append(line.strip())
    return known


def run(sample: list[Mutant], jobs: int) -> dict[str, int | None]:
    """mutmut's exit code of each mutant, by name."""
    shutil.rmtree("mutants", ignore_errors=True)
    command = [Path(sys.executable).parent / "mutmut", "run", "--max-children", str(jobs), *(m.name for m in sample)]
    subprocess.run(command, check=True)
    codes: dict[str, int | None] = {}
    for meta in Path("mutants").rglob("*.meta"):
        codes |= json.loads(meta.read_text())["exit_code_by_key"]
    return {mutant.name: codes[mutant.name] for mutant in sample}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", type=int, default=400, help="how many (default 400)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help="all mutants of this module")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    args = parser.parse_args()
    os.chdir(ROOT)
    begin, modules = time.monotonic(), config().only_mutate
    everything = [mutant for path in modules for mutant in mutants_of(path)]
    sample = [m for m in everything if m.key[0] == args.only] if args.only else draw(everything, args.sample, args.seed)
    print(f"{len(sample)} mutants of {len(everything)}", flush=True)
    codes, known = run(sample, args.jobs), equivalents()
    if None in codes.values():
        print("stopped before the end")
        return 1

    alive = [mutant for mutant in sample if codes[mutant.name] in (SURVIVED, *NO_TEST)]
    for mutant in sorted(alive, key=lambda m: (m.key[0], m.line)):
        why = "NO TEST RUNS IT" if codes[mutant.name] in NO_TEST else "NOT KNOWN AS EQUIVALENT"
        print(f"\nsurvived: {mutant}\n    {known.get(mutant.key, why)}")
    print(f"\n{'module':28s} mutants  killed  survived")
    total, left = (Counter(mutant.key[0] for mutant in group) for group in (sample, alive))
    for path in modules:
        print(f"{path:28s} {total[path]:7d} {total[path] - left[path]:7d} {left[path]:9d}")
    for mutant in sample:
        if codes[mutant.name] not in (*KILLED, SURVIVED, *NO_TEST):
            print(f"\nstopped ({codes[mutant.name]}): {mutant}")
    strangers = sum(mutant.key not in known for mutant in alive)
    share = 1 - len(alive) / len(sample)
    minutes = (time.monotonic() - begin) / 60
    print(f"\n{len(sample)} mutants, {len(sample) - len(alive)} killed ({share:.1%}), {len(alive)} survived "
          f"({strangers} not known as equivalent); {minutes:.0f} minutes")
    return int(share < LEAST)


if __name__ == "__main__":
    sys.exit(main())
