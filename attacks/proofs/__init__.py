"""Proofs: nothing smaller works.  Each answer is a counterexample to look at, or a bound that holds for all of the set.

Read `radii` (which radius is asked about next), then the search for an answer to one query: `query`, `nodes`, `tree`,
`condense`, `neuron_rows`, `intervals`, `pixels`, `node_bounds`, `branching`, `leaf_lp`, for several rivals at once in
deeper networks `sensitivity`, `shared_node` and `shared_nodes`, then `branch_and_bound`.  On it stand the answer at one
radius or to any linear property of the outputs (`unsafe`, `verdict`, `decide`; `vnnlib` reads the queries of
competitions), the certified minimum of one image (`task`, `interval`, `turns`, `certificate`, `certificate_file`,
`minimum`), of many (`campaign`, `campaign_log`) and of a mask (`mask_minimum`), and the smallest radius at which one s
fools a set (`set_weights`, `set_bound`, `set_quantile`, `set_minimum`).  What attacks/checker.py checks is written by
`exact_known`, `exact_rows`, `exact_part`, `exact_proof` and, of sets, `exact_set`.  May import minigrad and its wings,
the files of `attacks`, `attacks.balls`, `attacks.refine`, `attacks.uap` and `attacks.patch`.

What the files say of half and double of their constants was measured on 29 queries about digits, just below what an
attack needs (784-64-32-1, 784-128-64-1 and 784-32-10; 18 of Linf, 7 of L2, 4 of L0): 1,051 nodes and 20 s in all.
"""
