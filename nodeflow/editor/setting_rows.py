"""One setting, one row: what it is called, what it means, and the control that changes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QEvent, QObject, QSize, Qt
from PySide6.QtGui import QFontDatabase, QKeySequence
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFileDialog,
    QHBoxLayout,
    QKeySequenceEdit,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from .. import content
from . import theme

CONTROL = 250
"""Pixels of a control."""
Change = Callable[[str, Any], None]


@dataclass(frozen=True)
class Entry:
    """A setting as it is shown.

    Args:
        name: The field of `Settings`.
        title: What it is called.
        about: What it does.
        kind: "choice", "free", "number", "folder", "folders", "switch" or "font".
        options: (value, words) of a choice.
        unit: Behind a number.
        low: The least number.
        high: The greatest one.
        step: Between two numbers.
    """

    name: str
    title: str
    about: str
    kind: str
    options: tuple[tuple[Any, str], ...] = ()
    unit: str = ""
    low: float = 0
    high: float = 4096
    step: float = 1


_PLACES = tuple((name, name) for name in ("auto", "cpu", "cuda", "cuda:1", "mps"))
_FORMATS = tuple((name, name) for name in ("auto", "float32", "float16", "bfloat16"))
SECTIONS: dict[str, tuple[Entry, ...]] = {
    "Appearance": (
        Entry("theme", "Theme", "Dark, light, or what the system says.", "choice",
              (("dark", "Dark"), ("light", "Light"), ("system", "As the system"))),
        Entry("font", "Font", "Of the window and of the nodes.", "font"),
        Entry("font_size", "Text size", "Of the window; nodes are zoomed.", "number", unit="px", low=10, high=20),
    ),
    "Folders": (
        Entry("models", "Models", "Where models are looked for by name, besides those that come with nodeflow.",
              "folder"),
        Entry("more_models", "More models", "Folders of other tools that are looked into, too, with all below them; "
              "those of ComfyUI and A1111 in your home are found anyway.", "folders"),
        Entry("outputs", "Outputs", "Where runs of unsaved graphs write, and where outputs are kept.", "folder"),
        Entry("packs", "Node packs", "Where your own node packs lie.", "folder"),
        Entry("keep", "Keep outputs", "Write the outputs of each run to the folder of outputs, with the graph inside.",
              "switch"),
    ),
    "Device": (
        Entry("device", "Device", "Where networks run; auto takes the first accelerator.", "free", _PLACES),
        Entry("dtype", "Number format", "Of weights and latents; half the bytes are half the memory.", "choice",
              _FORMATS),
        Entry("previews", "Previews", "While sampling, at most; 0 shows none.", "number", unit="a second", high=60),
    ),
    "Memory": (
        Entry("vram_gib", "Weights on the device", "Models that are idle leave it; one that is larger passes "
              "through in blocks. "
              "0: four fifths of a CUDA card, no bound elsewhere.", "number", unit="GiB", step=0.5),
        Entry("device_gib", "Results on the device", "What is over goes to memory; weights are not counted.", "number",
              unit="GiB", step=0.5),
        Entry("host_gib", "Results in memory", "What is over goes to disk.", "number", unit="GiB", step=0.5),
        Entry("disk_gib", "Results on disk", "They survive a restart; what is cheapest to compute again leaves first.",
              "number", unit="GiB", step=1),
    ),
}  # fmt: skip


class Row(QWidget):
    """A row with a title, a sentence and a control.

    Args:
        title: What is set.
        about: What that means.
        control: What sets it.
    """

    def __init__(self, title: str, about: str, control: QWidget) -> None:
        super().__init__()
        self.setObjectName("row")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.words = f"{title} {about}".casefold()
        self.control = control
        head = QLabel(title)
        head.setBuddy(control)
        texts = QVBoxLayout()
        texts.setSpacing(2)
        texts.addStretch(1)
        texts.addWidget(head)
        if about:
            note = QLabel(about)
            note.setObjectName("dim")
            note.setWordWrap(True)
            texts.addWidget(note)
        texts.addStretch(1)
        control.setAccessibleName(title)
        control.setAccessibleDescription(about)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 11, 0, 11)
        layout.setSpacing(24)
        layout.addLayout(texts, 1)
        control.setFixedWidth(CONTROL)
        layout.addWidget(control, 0, Qt.AlignmentFlag.AlignVCenter)
        control.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        control.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """The wheel scrolls the page, unless the control is being used."""
        if event.type() == QEvent.Type.Wheel and not self.control.hasFocus():
            event.ignore()
            return True
        return super().eventFilter(watched, event)

    def answers(self, query: str) -> bool:
        """Does it say all of these words?"""
        return all(word in self.words for word in query.casefold().split())


def row(entry: Entry, value: Any, changed: Change) -> Row:
    """The row of a setting; `changed` is called with its name and the new value."""
    made = {"choice": _choice, "free": _choice, "number": _number, "folder": _folder, "switch": _switch, "font": _font,
            "folders": _folders}  # fmt: skip
    return Row(entry.title, entry.about, made[entry.kind](entry, value, lambda new: changed(entry.name, new)))


def _choice(entry: Entry, value: Any, changed: Callable[[Any], None]) -> QWidget:
    menu = QComboBox()
    for data, words in entry.options:
        menu.addItem(words, data)
    menu.setCurrentIndex(menu.findData(value))
    menu.activated.connect(lambda place: changed(menu.itemData(place)))
    if entry.kind == "free":
        menu.setEditable(True)
        menu.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        menu.setCurrentText(str(value))
        line = menu.lineEdit()
        assert line is not None
        line.editingFinished.connect(lambda: changed(line.text().strip()))
    return menu


def _font(entry: Entry, value: Any, changed: Callable[[Any], None]) -> QWidget:
    menu = QComboBox()
    menu.addItem(f"{theme.FAMILY} (comes with nodeflow)", "")
    for family in QFontDatabase.families():
        if family != theme.FAMILY and QFontDatabase.isSmoothlyScalable(family):
            menu.addItem(family, family)
    menu.setCurrentIndex(max(0, menu.findData(value)))
    menu.activated.connect(lambda place: changed(menu.itemData(place)))
    return menu


def _number(entry: Entry, value: Any, changed: Callable[[Any], None]) -> QWidget:
    box: Any = QDoubleSpinBox() if isinstance(value, float) else QSpinBox()
    box.setRange(type(value)(entry.low), type(value)(entry.high))
    box.setSingleStep(type(value)(entry.step))
    if isinstance(box, QDoubleSpinBox):
        box.setDecimals(1)
    box.setSuffix(f" {entry.unit}")
    box.setKeyboardTracking(False)
    box.setValue(value)
    box.valueChanged.connect(changed)
    return box


def _switch(entry: Entry, value: Any, changed: Callable[[Any], None]) -> QWidget:
    box = QCheckBox()
    box.setChecked(bool(value))
    box.toggled.connect(changed)
    return box


class _Folder(QWidget):
    """A line for a path, and a button that looks for one."""

    def __init__(self, name: str, value: str, changed: Callable[[Any], None]) -> None:
        super().__init__()
        self.line, button = QLineEdit(value), QPushButton("…")
        self.line.setPlaceholderText(str(content.data_folder() / name))
        self.line.setAccessibleName(f"Folder of {name}")
        self.setFocusProxy(self.line)
        button.setFixedWidth(34)
        button.setAccessibleName(f"Choose the folder of {name}")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(self.line)
        layout.addWidget(button)
        self._changed = changed
        self.line.editingFinished.connect(lambda: changed(self.line.text().strip()))
        button.clicked.connect(self._browse)

    def _browse(self) -> None:
        dialog = QFileDialog(self.window(), "Folder", self.line.text() or self.line.placeholderText())
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(self._take)
        dialog.open()

    def _take(self, path: str) -> None:
        self.line.setText(path)
        self._changed(path)


def _folder(entry: Entry, value: Any, changed: Callable[[Any], None]) -> QWidget:
    return _Folder(entry.name, value, changed)


class _Folders(QWidget):
    """A list of folders, with buttons that add one and take the chosen one out."""

    def __init__(self, value: list[str], changed: Callable[[Any], None]) -> None:
        super().__init__()
        self._changed = changed
        self.list = QListWidget()
        self.list.setObjectName("folders")
        self.list.setFixedHeight(84)
        self.list.setTextElideMode(Qt.TextElideMode.ElideLeft)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setAccessibleName("Folders of more models")
        self.setFocusProxy(self.list)
        add, take = QPushButton("Add…"), QPushButton("Remove")
        buttons = QHBoxLayout()
        buttons.setSpacing(6)
        buttons.addWidget(add)
        buttons.addWidget(take)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(self.list)
        layout.addLayout(buttons)
        self._show(value)
        add.clicked.connect(self._browse)
        take.clicked.connect(self._take)

    @property
    def folders(self) -> list[str]:
        return [self.list.item(row).text() for row in range(self.list.count())]

    def add(self, path: str) -> None:
        """Put a folder at the end of the list."""
        if path and path not in self.folders:
            self._change([*self.folders, path])

    def _change(self, folders: list[str]) -> None:
        self._show(folders)
        self._changed(folders)

    def _show(self, folders: list[str]) -> None:
        self.list.clear()
        for folder in folders:
            item = QListWidgetItem(folder, self.list)
            item.setToolTip(folder)
            item.setSizeHint(QSize(0, 28))

    def _browse(self) -> None:
        dialog = QFileDialog(self.window(), "Folder of models")
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(self.add)
        dialog.open()

    def _take(self) -> None:
        chosen = self.list.currentRow()
        if chosen >= 0:
            self._change([folder for row, folder in enumerate(self.folders) if row != chosen])


def _folders(entry: Entry, value: Any, changed: Callable[[Any], None]) -> QWidget:
    return _Folders(value, changed)


class Keys(QWidget):
    """The shortcut of an action: what is pressed in it becomes the shortcut.

    Args:
        keys: The shortcut.
        changed: Called with another one, in portable text; empty for none.
    """

    def __init__(self, keys: str, changed: Callable[[str], None]) -> None:
        super().__init__()
        self.edit = QKeySequenceEdit(QKeySequence(keys))
        self.edit.setMaximumSequenceLength(1)
        self.edit.setClearButtonEnabled(True)
        self.setFocusProxy(self.edit)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.edit)
        self.edit.editingFinished.connect(lambda: changed(self.edit.keySequence().toString()))

    def show_keys(self, keys: str) -> None:
        """Show another shortcut, telling nobody."""
        self.edit.blockSignals(True)
        self.edit.setKeySequence(QKeySequence(keys))
        self.edit.blockSignals(False)
