"""Networks and arrays in and out of files and other libraries: nothing here is needed to follow the mathematics.

Read `arrays.py` (a network from checked arrays, and back), then `files.py` (a file is whole or absent), `npz.py`
(arrays, without trust in the file) and `network.py` (a network as an `.npz`).  `torch.py`, with `state_dict.py` for
weights without their module, and `sklearn.py` convert foreign networks; they share `pairs.py`, and `compare.py` checks
that nothing else was read than was given.  `rescale.py` makes a network for pixels in another range, `png.py` is for
pictures.  `MLP` imports these inside the methods that need them.  They may import `minigrad.inputs`, `minigrad.layers`
and each other, and of `MLP` only the name, for types; no torch and no scikit-learn, which the caller has loaded.
"""
