"""Images to attack: all of MNIST, and a reader for any other IDX collection.  Knows neither other room."""

from data.idx import load_idx
from data.loader import load_folder, load_mnist

__all__ = ["load_folder", "load_idx", "load_mnist"]
