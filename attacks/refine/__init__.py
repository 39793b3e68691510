"""What mends an answer once there is one: where else to start, the way back towards x, and the last little stretch.

An adversarial point anywhere in the box is success; what remains is to come nearer.  starts.py names points that are
far from x or known to be adversarial, walk_back.py goes from such a point towards x, along the line or pixel by pixel,
descent.py goes on from many such points at once, and stretch.py lengthens what sits on the boundary so that it flips in
single precision as well.  The attacks themselves are above this wing: it may import minigrad, the balls, and what goes
in and comes out of an attack.
"""
