"""The command of a soak: how many cases, which seed, or one case alone; what was violated, with the way back to it."""

import argparse
import time


def command(soak, name, doc, count):
    """`soak(count, seed, only)` returns violations (index, regime, norm, words) and outcomes; exit status 1 for any."""
    parser = argparse.ArgumentParser(prog=f"python tests/robustness/{name}", description=doc.splitlines()[0])
    parser.add_argument("--count", type=int, default=count)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int)
    o, begun = parser.parse_args(), time.perf_counter()
    found, outcomes = soak(o.count, o.seed, o.only)
    for outcome, number in sorted(outcomes.items()):
        print(f"  {outcome:32s} {number}")
    print(f"{o.count} cases in {time.perf_counter() - begun:.0f} s, {len(found)} violated")
    for index, regime, norm, words in found[:40]:
        print(f"  --seed {o.seed} --only {index}: {regime}, {norm}: {words}")
    return 1 if found else 0
