"""One perturbation s for a whole set of images (universal adversarial perturbations, Moosavi-Dezfooli et al. 2017).

Read image_set.py (where s may be, and what it does to every image), methods.py (ways to look for it), attack.py
(`universal`, which puts them together) and, for small sets, linear_program.py.  This wing may import minigrad, the
balls and the modules directly in attacks/.
"""
