"""One sound at a time: decoded here, played by the system, its place told thirty times a second.

PySide6-Essentials has no QtMultimedia. The sound goes through `sounddevice`, an optional library that brings PortAudio
on macOS and Windows and uses the system's on Linux. Where it is not there, the file is opened in the user's player.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Protocol

from PySide6.QtCore import QObject, QTimer, Signal

from ..media import sounds

if TYPE_CHECKING:
    import numpy as np

    from ..worker.messages import Sound

TICK_MS = 33


class Output(Protocol):
    """Where samples go."""

    def start(self, samples: np.ndarray, rate: int) -> None:
        """Play [samples, channels]; returns at once. Raises OSError or ImportError where that cannot be."""

    def stop(self) -> None:
        """Be silent."""


class Speaker:
    """The system's default output."""

    def start(self, samples: np.ndarray, rate: int) -> None:
        device: Any = _sounddevice()
        try:
            device.play(samples, rate)
        except device.PortAudioError as error:
            raise OSError(str(error)) from error

    def stop(self) -> None:
        _sounddevice().stop()


def _sounddevice() -> Any:
    import sounddevice

    return sounddevice


class Player(QObject):
    """Plays one sound; another one takes its place.

    Args:
        output: Where samples go.
    """

    moved = Signal()
    """It plays, stopped, or is elsewhere in the sound."""
    refused = Signal(str, object)
    """It cannot play: why, and the sound."""

    def __init__(self, output: Output | None = None) -> None:
        super().__init__()
        self._output = output or Speaker()
        self.sound: Sound | None = None
        self._from = self._began = 0.0
        self._timer = QTimer(self, interval=TICK_MS)
        self._timer.timeout.connect(self._tick)

    @property
    def playing(self) -> bool:
        return self.sound is not None

    @property
    def share(self) -> float:
        """Where it is, 0..1."""
        if self.sound is None:
            return 0.0
        return min(1.0, (self._from + time.monotonic() - self._began) / max(1e-6, self.sound.seconds))

    def share_of(self, sound: Sound | None) -> float:
        """Where it is in this sound; 0 where it plays another one, or none."""
        return max(1e-6, self.share) if sound is not None and sound is self.sound else 0.0

    def toggle(self, sound: Sound) -> None:
        """Play a sound from its start; stop, where it is played already."""
        self.stop() if sound is self.sound else self.play(sound)

    def play(self, sound: Sound, share: float = 0.0) -> None:
        """Play a sound from there on."""
        self.stop()
        try:
            samples, rate = sounds.decode(sound.data)
            self._output.start(samples.T[int(share * samples.shape[1]) :], rate)
        except (ImportError, OSError) as error:
            self.refused.emit(str(error), sound)
            return
        self.sound, self._from, self._began = sound, share * sound.seconds, time.monotonic()
        self._timer.start()
        self.moved.emit()

    def stop(self) -> None:
        """Be silent."""
        if self.sound is not None:
            self._timer.stop()
            self.sound = None
            self._output.stop()
            self.moved.emit()

    def _tick(self) -> None:
        self.stop() if self.share >= 1.0 else self.moved.emit()
