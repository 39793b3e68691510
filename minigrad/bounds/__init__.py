"""Sound upper bounds of the network's outputs on whole sets of images: what proofs are made of.

Read `rounding.py` (what float64 may hide; of a whole network: `evaluation.py`) and `relaxation.py` (an activation
between two lines), then `region.py` (what is known of the network on a set), `crown.py` (backward substitution of those
lines), `multipliers.py` (what they leave open: alpha, beta and gamma), `optimised.py` (the best of these, by the
gradient of the bound) and `output_constraint.py` (bounds over the counterexamples alone).  Each imports only from those
before it and from `minigrad`.  Two names to keep apart: gamma_n is Higham's rounding term, gamma the multiplier of the
output constraint.
"""
