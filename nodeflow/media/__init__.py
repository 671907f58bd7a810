"""Pictures in and out, as 8-bit arrays, with the graph that made them inside.

Knows numpy and Pillow, nothing of tensors, nodes or graphs. Files from strangers are read with bounded memory, and
refused in one sentence.
"""
