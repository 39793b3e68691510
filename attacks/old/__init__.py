"""Modules under the names that they had in 0.1: `attacks.stealth`, `attacks.campaign`; removed in 0.3.

`attacks/__init__.py` puts this folder at the end of the package's search path, so the old imports work for one more
version, with a DeprecationWarning that names the new place.  Nothing in this project may import from here; this wing
imports from the places it names, and there is nothing to read.
"""
