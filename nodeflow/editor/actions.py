"""Every action of the editor: menus, shortcuts and the command palette are made from this one table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Action:
    """An action: the name of the method of `Commands` that does it, what it is called, and how it is reached.

    Args:
        on_canvas: Its shortcut counts only while the canvas has the focus; elsewhere the key is typed.
    """

    name: str
    label: str
    menu: str
    keys: str = ""
    on_canvas: bool = False
    icon: str = ""


ACTIONS = (
    Action("new", "New graph", "File", "Ctrl+N", icon="new"),
    Action("open", "Open…", "File", "Ctrl+O", icon="open"),
    Action("save", "Save", "File", "Ctrl+S", icon="save"),
    Action("save_as", "Save as…", "File", "Ctrl+Shift+S"),
    Action("close_tab", "Close graph", "File", "Ctrl+W"),
    Action("preferences", "Settings…", "File", "Ctrl+,"),
    Action("reload_packs", "Reload node packs", "File", "F5"),
    Action("quit", "Quit", "File", "Ctrl+Q"),
    Action("undo", "Undo", "Edit", "Ctrl+Z", icon="undo"),
    Action("redo", "Redo", "Edit", "Ctrl+Shift+Z", icon="redo"),
    Action("cut", "Cut", "Edit", "Ctrl+X", True),
    Action("copy", "Copy", "Edit", "Ctrl+C", True),
    Action("paste", "Paste", "Edit", "Ctrl+V", True),
    Action("duplicate", "Duplicate", "Edit", "Ctrl+D", True),
    Action("duplicate_wired", "Duplicate with inputs", "Edit", "Ctrl+Shift+D", True),
    Action("delete", "Delete", "Edit", "Del", True),
    Action("select_all", "Select all", "Edit", "Ctrl+A", True),
    Action("find", "Find node…", "Edit", "Ctrl+F"),
    Action("add_node", "Add node…", "Node", "Tab", True, "add"),
    Action("edit_field", "Edit parameters", "Node", "Return", True),
    Action("wire", "Wire…", "Node", "W", True),
    Action("bypass", "Bypass", "Node", "B", True),
    Action("mute", "Mute", "Node", "M", True),
    Action("group", "Group into a subgraph", "Node", "Ctrl+G", True),
    Action("ungroup", "Ungroup", "Node", "Ctrl+Shift+G", True),
    Action("enter", "Enter the subgraph", "Node", "Ctrl+Down", True),
    Action("leave", "Leave the subgraph", "Node", "Ctrl+Up", True),
    Action("promote", "Promote a parameter or port…", "Node", "P", True),
    Action("name_ports", "Name, order or remove ports…", "Node"),
    Action("make_own", "Make the subgraph independent of its copies", "Node"),
    Action("rename_subgraph", "Rename the subgraph…", "Node"),
    Action("keep_subgraph", "Keep the subgraph for other graphs…", "Node"),
    Action("update_subgraph", "Update the subgraph from the kept one", "Node"),
    Action("collapse", "Collapse", "Node", "C", True),
    Action("randomize", "New random seed", "Node", "R", True),
    Action("seed_policy", "After each run, the seed…", "Node"),
    Action("frame", "Frame selection", "Node", "Ctrl+J", True),
    Action("note", "Add note", "Node", "N", True),
    Action("colour", "Colour…", "Node", "Shift+C", True),
    Action("rename", "Rename…", "Node", "F2", True),
    Action("make_output", "Make its first output an output of the graph", "Node"),
    Action("look_at_picture", "Look at what it made", "Node", "V", True),
    Action("play_sound", "Play or stop its sound", "Node", "Shift+P", True),
    Action("run", "Run", "Run", "Ctrl+Return"),
    Action("enqueue", "Run after what runs", "Run", "Ctrl+Alt+Return"),
    Action("run_selected", "Run up to the selected nodes", "Run", "Ctrl+Shift+Return"),
    Action("cancel", "Cancel", "Run", "Ctrl+."),
    Action("live", "Run after each edit", "Run", icon="live"),
    Action("fit_all", "Fit all", "View", "Home", True, "fit"),
    Action("fit_selected", "Fit selection", "View", "F", True),
    Action("zoom_100", "Zoom to 100 %", "View", "1", True),
    Action("arrange", "Arrange nodes", "View", "Ctrl+L", icon="layout"),
    Action("align_left", "Align left edges", "View"),
    Action("align_right", "Align right edges", "View"),
    Action("align_top", "Align top edges", "View"),
    Action("align_bottom", "Align bottom edges", "View"),
    Action("distribute_across", "Distribute from left to right", "View"),
    Action("distribute_down", "Distribute from top to bottom", "View"),
    Action("go_left", "Go to the node on the left", "View", "Left", True),
    Action("go_right", "Go to the node on the right", "View", "Right", True),
    Action("go_up", "Go to the node above", "View", "Up", True),
    Action("go_down", "Go to the node below", "View", "Down", True),
    Action("commands", "All commands…", "Help", "Ctrl+Shift+P"),
    Action("shortcuts", "Shortcuts…", "Help", "F1"),
)
