"""And how would one defend?  Training against the attacks, and what it is worth: proved, not only not found.

Read `training.py` (which method is which), then `inner_maximum.py` and `adversarial.py` (train on what attacks find),
`margins.py`, `enclosure.py`, `interval_loss.py`, `linear_loss.py` and `certified.py` (train on upper bounds of the
worst case, gradients by hand), `gradient_penalty.py` (double backprop); then `share.py`, `decisions.py` and
`accuracy.py` (robust accuracy, proved and found), `jacobians.py`, `resistance.py` and `comparison.py` (networks side
by side); `nets.py` has four of them.
"""
