"""The desktop editor: a view on the document, and a worker that runs it.

Without Qt, and tested without it:

    document  one open graph: every change with undo, what may be wired, what is wrong
    clipping  nodes as text for the clipboard, and text as nodes
    layout    places for nodes in reading order; moving: what is known of a node goes with it
    origins   copies of kept subgraphs, brought up to date; estimating: how many steps a node is asked for
    dropping  what a dropped file is meant for
    marks     what runs and plans say about each node
    matching  search in names
    following what has changed in what is shown, by identity: an edit puts new nodes in place
    faces     what a node shows and where; dragging: numbers under the mouse; after: seeds after a run
    journal   what was done since the last save, on disk within a second; ownership: whose a file is
    made      what runs made, and where it is kept; indexing: the folders of outputs
    waiting   the queue on disk; timeline: when each node of a run computed

With Qt:

    theme     every colour, font and style (sheet: the style sheet); settings, settings_dialog: what a user chooses
    viewing   viewers, sounds that are played, outputs that are kept (viewer, panes, playing, waves, gallery, shelf)
    queueing  the queue (jobs: its panel), timeline_view; packs: node packs that change; background: a thread
    canvas/   the graph as a picture; the only folder that knows NodeGraphQt
    runs      the worker's queue as Qt signals
    window    the main window (shell: its frame, workspace: one tab; files, palette, inspector, panels, gallery)
    actions   every action by name; commands, nodes, arranging: what they do
    guard     no exception leaves a method that Qt calls

The document owns all edits; the canvas shows it and turns gestures into edits. No torch: the worker has that.

Rejected: NodeGraphQt's model, undo stack, file format and embedded widgets (ids by address, one undo entry a mouse
move, files that lose nodes, widgets that are never freed).
"""
