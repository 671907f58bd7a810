"""The graph as a picture one can take hold of. The only folder that knows NodeGraphQt.

    viewer    NodeGraphQt's view with a camera, background and modifiers of our own
    node      a node: one item, its ports and fields painted and hit by maths
    painting  how a face is painted; insets: the picture or curve in it; pictures: nodes as pixels
    wire      wires, and the one that follows the mouse
    frame     frames around nodes; minimap: the whole graph in the corner
    gestures  drags: a wire, a number
    editing   a real editor over a field, while it is edited
    inserting a node dropped on a wire; tips: tooltips
    items     nodes, wires and frames by name: looked up, selected, brought into view
    projection  items follow the graph
    canvas    the projection with hands: gestures become edits

Rejected: an item a port and a widget a field (a graph of 1,000 nodes took 8 times as long to make, and the widgets were
never freed); NodeGraphQt's own drag of wires (it knows no types, and removes the wire before it asks).
"""

from ..compat import prepare

prepare()
