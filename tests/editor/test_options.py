"""The options of the chosen scheduler are rows of the inspector."""

from __future__ import annotations

import pytest

pytest.importorskip("PySide6")

from nodeflow.editor.inspector import Inspector
from nodeflow.editor.marks import Marks
from nodeflow.editor.options import OptionRows
from nodeflow.graph.edits import SetValue

EULER, DDIM = "EulerDiscreteScheduler", "DDIMScheduler"


@pytest.fixture
def inspector(qtbot, document):
    made = Inspector(document, Marks())
    qtbot.addWidget(made)
    made.show_nodes(["schedule"])
    return made


def choose(inspector, name):
    inspector.document.do(SetValue("schedule", "scheduler", name), "Choose")


def rows(inspector):
    editor = inspector.editors["options"]
    assert isinstance(editor, OptionRows)
    return editor.rows


def options(inspector):
    return inspector.document.value("schedule", "options")


def test_the_rows_follow_the_choice(inspector):
    assert rows(inspector) == {}
    choose(inspector, EULER)
    assert {"use_karras_sigmas", "s_churn"} <= set(rows(inspector))
    choose(inspector, DDIM)
    assert "eta" in rows(inspector) and "s_churn" not in rows(inspector)


def test_a_row_writes_its_option_and_takes_it_back(inspector):
    choose(inspector, EULER)
    karras, churn = (rows(inspector)[name] for name in ("use_karras_sigmas", "s_churn"))
    karras.activated.emit(karras.findData(True))
    churn.setText("0.5")
    churn.editingFinished.emit()
    assert options(inspector) == {"use_karras_sigmas": True, "s_churn": 0.5}
    inspector.document.undo()
    assert options(inspector) == {"use_karras_sigmas": True}
    karras.activated.emit(0)
    assert not options(inspector)


def test_what_cannot_be_read_changes_nothing(inspector):
    choose(inspector, EULER)
    churn = rows(inspector)["s_churn"]
    churn.setText("much")
    churn.editingFinished.emit()
    assert not options(inspector) and churn.text() == ""


def test_a_row_shows_what_the_graph_says(inspector):
    choose(inspector, EULER)
    said = {"timestep_spacing": "trailing", "sigma_min": 0.1, "use_beta_sigmas": False}
    inspector.document.do(SetValue("schedule", "options", said), "Set")
    shown = rows(inspector)
    assert shown["timestep_spacing"].currentData() == "trailing" and shown["sigma_min"].text() == "0.1"
    assert shown["use_beta_sigmas"].currentData() is False and shown["use_karras_sigmas"].currentData() is None
