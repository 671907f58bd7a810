"""Pictures and sounds in and out, as arrays, with the graph that made them inside.

Knows numpy, Pillow and libsndfile (through soundfile), nothing of tensors, nodes or graphs. Files from strangers are
read with bounded memory, and refused in one sentence. Sound through our own parsers was rejected: libsndfile is kept
well, and fuzzed.
"""
