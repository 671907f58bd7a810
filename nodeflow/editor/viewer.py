"""A window to look at what runs made: one of it large, the others as a strip below; two of it compared by a wipe."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt, QUrl, Signal
from PySide6.QtGui import QAction, QDesktopServices, QGuiApplication, QIcon, QImage, QKeyEvent, QPixmap
from PySide6.QtWidgets import (
    QFileDialog,
    QLabel,
    QListView,
    QListWidget,
    QListWidgetItem,
    QStackedWidget,
    QToolBar,
    QVBoxLayout,
    QWidget,
)

from ..atomic import atomic_write
from ..errors import NodeflowError
from ..worker.messages import Picture, Sound
from . import icons, theme
from .guard import guarded
from .panes import PicturePane, SoundPane
from .waves import length, thumb

if TYPE_CHECKING:
    from .made import Made
    from .playing import Player

THUMB = QSize(72, 72)
MADE = Qt.ItemDataRole.UserRole


class Viewer(QWidget):
    """Shows what was made.

    Args:
        title: What the window is called.
        items: What can be looked at; the first one first.
        player: Plays sounds.
        place: The one to begin with.
    """

    graph_wanted = Signal(object)

    def __init__(self, title: str, items: Sequence[Made], player: Player, place: int = 0) -> None:
        super().__init__()
        self.setObjectName("viewer")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setWindowTitle(title)
        self.setWindowIcon(icons.app_icon())
        self.setWindowFlag(Qt.WindowType.Window)
        self.resize(980, 820)
        self.items, self.player = list(items), player
        self.place = -1
        self.pinned: Made | None = None
        self._opened: dict[Made, Picture | Sound] = {}
        self.pane, self.hearing = PicturePane(), SoundPane(player)
        self.stack = QStackedWidget()
        self.stack.addWidget(self.pane)
        self.stack.addWidget(self.hearing)
        self.strip = self._strip()
        self.words = QLabel()
        self.words.setObjectName("dim")
        self.words.setContentsMargins(14, 7, 14, 7)
        self.bar, self.actions_ = self._bar()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        for widget, room in ((self.bar, 0), (self.stack, 1), (self.words, 0), (self.strip, 0)):
            layout.addWidget(widget, room)
        for pane in (self.pane, self.hearing):
            pane.said.connect(self.say)
        player.moved.connect(self._follow_player)
        self.show_item(place)

    def _bar(self) -> tuple[QToolBar, dict[str, QAction]]:
        bar = QToolBar()
        bar.setIconSize(QSize(20, 20))
        made: dict[str, QAction] = {}
        rows: tuple[tuple[str, str, str, Callable[[], object], str], ...] = (
            ("newer", "left", "The one before", lambda: self.show_item(self.place - 1), "Left"),
            ("older", "right", "The next one", lambda: self.show_item(self.place + 1), "Right"),
            ("", "", "", lambda: None, ""),
            ("play", "play", "Play or stop", self._play, "Space"),
            ("fit", "fit", "Fit", self.pane.fit, "F"),
            ("whole", "one", "One pixel a pixel", lambda: self.pane.zoom_to(1.0), "1"),
            ("", "", "", lambda: None, ""),
            ("compare", "compare", "Compare: wipe over A, the pinned one or else the next one", self._compare, "C"),
            ("pin", "pin", "Pin as A, to compare others with", self.pin, "P"),
            ("", "", "", lambda: None, ""),
            ("copy", "copy", "Copy", self.copy, "Ctrl+C"),
            ("save", "save", "Save as…", self.save, "Ctrl+S"),
            ("reveal", "open", "Show its file in the folder", self.reveal, "R"),
            ("graph", "layout", "Open the graph that made it", self._graph, "G"),
        )
        for name, icon, words, act, keys in rows:
            if not name:
                bar.addSeparator()
                continue
            action = QAction(icons.icon(icon), words, self)
            action.setToolTip(f"{words}  ({keys})")
            action.setShortcut(keys)
            action.triggered.connect(act)
            bar.addAction(action)
            made[name] = action
        made["compare"].setCheckable(True)
        return bar, made

    def _strip(self) -> QListWidget:
        strip = QListWidget()
        strip.setViewMode(QListView.ViewMode.IconMode)
        strip.setFlow(QListView.Flow.LeftToRight)
        strip.setWrapping(False)
        strip.setMovement(QListView.Movement.Static)
        strip.setIconSize(THUMB)
        strip.setSpacing(4)
        strip.setFixedHeight(THUMB.height() + 34)
        strip.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        strip.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        strip.setAccessibleName("History")
        strip.setObjectName("strip")
        for each in self.items:
            strip.addItem(_strip_item(each, self.devicePixelRatioF()))
        strip.setVisible(len(self.items) > 1)
        strip.itemClicked.connect(lambda item: self.show_item(strip.row(item)))
        return strip

    # What is shown

    @property
    def made(self) -> Made:
        return self.items[self.place]

    def add(self, made: Made) -> None:
        """Something new, in front of the others; what is shown stays."""
        self.items.insert(0, made)
        self.strip.insertItem(0, _strip_item(made, self.devicePixelRatioF()))
        self.strip.setVisible(True)
        self.place += 1
        self.strip.setCurrentRow(self.place)

    def show_item(self, place: int) -> None:
        """Show one of them."""
        self.place = place % len(self.items)
        self.strip.setCurrentRow(self.place)
        item = self._item(self.made)
        sound = isinstance(item, Sound)
        for name in ("fit", "whole", "compare", "pin"):
            self.actions_[name].setVisible(not sound)
        self.actions_["play"].setVisible(sound)
        self.actions_["reveal"].setEnabled(bool(self.made.file))
        self.actions_["graph"].setEnabled(bool(self.made.graph or self.made.file))
        for name in ("newer", "older"):
            self.actions_[name].setEnabled(len(self.items) > 1)
        self.stack.setCurrentWidget(self.hearing if sound else self.pane)
        if isinstance(item, Sound):
            self.hearing.show_sound(item)
        else:
            self.pane.show_image(_image(item))
            self._wipe()
        self.say()

    def _item(self, made: Made) -> Picture | Sound | None:
        if made not in self._opened:
            try:
                self._opened[made] = made.opened()
            except NodeflowError as error:
                self.words.setText(error.faults[0].line)
                return None
        return self._opened[made]

    def say(self, more: str = "") -> None:
        """What is shown, and what is under the mouse."""
        which = f"{self.place + 1} of {len(self.items)}   " if len(self.items) > 1 else ""
        item = self._opened.get(self.made)
        if item is None:
            return
        if isinstance(item, Sound):
            channels = {1: "mono", 2: "stereo"}.get(item.channels, f"{item.channels} channels")
            about = f"{length(item.seconds)}   {item.rate} Hz   {channels}"
        else:
            about = f"{item.width} × {item.height}   {self.pane.scale * 100:.0f} %"
        self.words.setText(f"{which}{about}   {more}")

    def retint(self) -> None:
        self.update()

    # What is done

    def _compare(self) -> None:
        self._wipe()

    def pin(self) -> None:
        """This one is A from now on."""
        self.pinned = self.made
        self.words.setText(f"{self.made.title} is A")
        self._wipe()

    @property
    def other(self) -> Made | None:
        """What is compared with: the pinned one, or else the next one in the strip."""
        if self.pinned is not None and self.pinned != self.made:
            return self.pinned
        pictures = [each for each in [*self.items[self.place + 1 :], *self.items[: self.place]] if not each.is_sound]
        return pictures[0] if pictures else None

    def _wipe(self) -> None:
        self.actions_["compare"].setEnabled(self.other is not None)
        other = self.other if self.actions_["compare"].isChecked() else None
        self.pane.compare(_image(self._item(other)) if other is not None else None)

    def _play(self) -> None:
        if self.hearing.sound is not None and self.stack.currentWidget() is self.hearing:
            self.player.toggle(self.hearing.sound)

    def _follow_player(self) -> None:
        playing = self.player.share_of(self.hearing.sound) > 0
        self.actions_["play"].setIcon(icons.icon("stop" if playing else "play"))

    def copy(self) -> None:
        """The picture; of a sound, the path of its file."""
        clipboard, sound = QGuiApplication.clipboard(), self.made.is_sound
        clipboard.setText(self.made.file) if sound else clipboard.setImage(self.pane.image)
        self.words.setText("The path of its file is copied" if sound else "The picture is copied")

    def reveal(self) -> None:
        """Open the folder that its file is in."""
        if self.made.file:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(Path(self.made.file).parent)))

    def _graph(self) -> None:
        self.graph_wanted.emit(self.made)

    def save(self) -> None:
        """Write the file as it was made, with its graph inside."""
        item, made = self._item(self.made), self.made
        if item is None:
            return
        suffix = Path(made.file).suffix or (".flac" if isinstance(item, Sound) else f".{item.format.lower()}")
        dialog = QFileDialog(self, "Save", f"{Path(made.file).stem or made.title.replace('/', '-')}{suffix}")
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(lambda path: self.write(path, made))
        dialog.open()

    def write(self, path: str, made: Made) -> None:
        """Write what was made to a file."""
        try:
            item = made.opened()
            shutil.copyfile(made.file, path) if made.file else atomic_write(path, item.data)
            self.words.setText(f"Saved {Path(path).name}")
        except (NodeflowError, OSError) as error:
            self.words.setText(error.faults[0].line if isinstance(error, NodeflowError) else str(error))

    @guarded
    def keyPressEvent(self, event: QKeyEvent) -> None:
        match event.key():
            case Qt.Key.Key_Escape:
                self.close()
            case Qt.Key.Key_Plus | Qt.Key.Key_Equal:
                self.pane.zoom_by(1.25)
            case Qt.Key.Key_Minus:
                self.pane.zoom_by(0.8)
            case _:
                super().keyPressEvent(event)


def _image(item: Picture | Sound | None) -> QImage:
    return QImage.fromData(item.data) if isinstance(item, Picture) else QImage()


def small(made: Made, size: QSize, ratio: float = 1.0) -> QPixmap:
    """A small picture of what was made, cut to a square."""
    if isinstance(made.item, Sound):
        return thumb(made.item, size, ratio)
    pixels = QPixmap()
    if isinstance(made.item, Picture):
        pixels.loadFromData(made.item.data)
    elif made.thumb:
        pixels.load(made.thumb)
    if pixels.isNull():
        pixels = QPixmap(size * ratio)
        pixels.fill(theme.color(theme.FIELD))
    pixels = pixels.scaled(
        size * ratio, Qt.AspectRatioMode.KeepAspectRatioByExpanding, Qt.TransformationMode.SmoothTransformation
    )
    wanted = size * ratio
    left, top = (pixels.width() - wanted.width()) // 2, (pixels.height() - wanted.height()) // 2
    pixels = pixels.copy(left, top, wanted.width(), wanted.height())
    pixels.setDevicePixelRatio(ratio)
    return pixels


def untinted(pixels: QPixmap) -> QIcon:
    """An icon that looks the same while it is selected."""
    icon = QIcon(pixels)
    icon.addPixmap(pixels, QIcon.Mode.Selected)
    return icon


def _strip_item(made: Made, ratio: float) -> QListWidgetItem:
    item = QListWidgetItem(untinted(small(made, THUMB, ratio)), "")
    item.setToolTip(made.title)
    item.setData(MADE, made)
    return item
