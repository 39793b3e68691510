"""Images to attack: all of MNIST, and readers for other collections, IDX or `.npz`.  Needs NumPy only, and for a
user's `.npz` the project's one reader of that format, `minigrad/io/npz.py`."""

from data.collection import Collection, load_collection, load_npz
from data.idx import load_idx
from data.loader import load_folder, load_mnist

__all__ = ["Collection", "load_collection", "load_folder", "load_idx", "load_mnist", "load_npz"]
