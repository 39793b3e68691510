"""One pattern on a mask, applied to every image: adversarial glasses (Sharif et al. 2016).

Read masks.py (which pixels, and where they may slip to), attack.py (`accessory`, what it returns and its controls) and
ascent.py (how the pattern is found).  This wing may import minigrad, the balls and the modules directly in attacks/.
"""
