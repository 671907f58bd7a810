"""A fault is one line that anyone may print, and survives a process boundary."""

from __future__ import annotations

import copy
import pickle
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeflow.errors import CODES, EXIT_STATUS, Fault, NodeflowError

FAULTS = st.builds(Fault, st.sampled_from(sorted(CODES)), st.text(), st.text(), st.text())


@given(FAULTS)
def test_a_fault_is_one_printable_line_that_begins_with_its_code(fault: Fault) -> None:
    assert fault.line.splitlines() == [fault.line] and fault.line.startswith(fault.code)
    assert fault.line.isprintable()
    fault.line.encode("utf-8")


def test_a_line_says_what_where_and_what_to_do() -> None:
    fault = Fault("NF205", "21 is out of range", "denoise.steps", "choose 1 to 20")
    assert fault.line == "NF205 denoise.steps: 21 is out of range; choose 1 to 20"
    assert fault.node == "denoise"


def test_a_terminal_is_not_steered() -> None:
    assert Fault("NF201", "no node \x1b[2J\u202e'x'").line == r"NF201 no node \x1b[2J\u202e'x'"


@given(st.lists(FAULTS, min_size=1))
def test_an_error_crosses_a_process_boundary_whole(faults: list[Fault]) -> None:
    error = NodeflowError.of(faults)
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert twin.faults == tuple(faults) and str(twin) == str(error)
        assert twin.code == faults[0].code


@given(FAULTS, st.text(min_size=1))
def test_only_a_fault_without_a_place_is_given_one(fault: Fault, where: str) -> None:
    assert fault.at(where).where == (fault.where or where)
    assert fault.at(where).what == fault.what


def test_an_unknown_code_is_refused() -> None:
    with pytest.raises(ValueError, match="NF999"):
        NodeflowError("NF999", "nothing")


@pytest.mark.parametrize("code", CODES)
def test_each_code_has_a_meaning_and_an_exit_status(code: str) -> None:
    assert re.fullmatch(r"NF[1-7]\d\d", code) and CODES[code]
    expected = 6 if code == "NF108" else EXIT_STATUS[code[:3]]
    assert Fault(code, "x").exit_status == expected != 0
