"""Laws of the strict reader: every fault has a place, nothing but a NodeflowError comes out, and it takes no time."""

from __future__ import annotations

import json
import time
import tracemalloc

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nodeflow.errors import NodeflowError
from nodeflow.graph.files import load, loads
from nodeflow.graph.strict import parse

FAULTS = [
    (b'{"a": 1,\n "b": NaN}', "NF103", "g.json:2:7"),
    (b'{"NaN": 1,\n "b": [-Infinity]}', "NF103", "g.json:2:8"),
    (b'["1e400", 1e40,\n 1e400, 1e4000]', "NF103", "g.json:2:2"),
    (b'{"a": "' + b"9" * 200 + b'",\n"b": -' + b"1" * 5000 + b"}", "NF103", "g.json:2:6"),
    (b"[0." + b"0" * 200 + b"1]", "NF103", "g.json:1:2"),
    (b'{"a": 1,\n "\\u0061": 2}', "NF102", "g.json:2:2"),
    (b'{"y": ["b", {"b": 2}], "x": {"b": 1},\n\n "y": 3}', "NF102", "g.json:3:2"),
    (b"[" * 100_000, "NF104", "g.json:1:73"),
    (b'\n{"a":' * 80 + b"1" + b"}" * 80, "NF104", "g.json:74:1"),
    (b'["a\xff"]', "NF101", "g.json:1:4"),
    ('["é\\\\ud800", "\\ud800"]'.encode(), "NF101", "g.json:1:15"),
    (b'["\\ud83d\\ude00\\udc00"]', "NF101", "g.json:1:15"),
    (b"\xef\xbb\xbf{}", "NF101", "g.json:1:1"),
    (b"{}\n x", "NF101", "g.json:2:2"),
    (b"", "NF101", "g.json:1:1"),
    (b'{"a": 1,}', "NF101", "g.json:1:9"),
    (b"['a']", "NF101", "g.json:1:2"),
    (b'["a\nb"]', "NF101", "g.json:1:4"),
    (b'{"a": 1', "NF101", "g.json:1:8"),
    (b"[01]", "NF101", "g.json:1:3"),
]


@pytest.mark.parametrize(("data", "code", "where"), FAULTS)
def test_each_fault_has_line_and_column(data: bytes, code: str, where: str) -> None:
    with pytest.raises(NodeflowError) as caught:
        parse(data, "g.json")
    fault = caught.value.faults[0]
    assert (fault.code, fault.where) == (code, where)
    assert "\n" not in fault.line


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
@example(b'{"nodeflow": 1, "nodes": {}}')
def test_nothing_but_a_located_error_comes_out_of_any_bytes(data: bytes) -> None:
    try:
        load(data)
    except NodeflowError as error:
        assert all(fault.code.startswith("NF1") for fault in error.faults)


_PIECES = ["{", "}", "[", "]", ":", ",", '"a"', '"\\ud800"', '"\\ud83d\\ude00"', '"\\', "1", "-", "1.5", "1e400", "NaN"]
_PIECES += ["Infinity", "true", "null", " ", "\n", "0", "1E5", '"nodeflow"', '"nodes"', "9" * 101]


@given(st.lists(st.sampled_from(_PIECES), max_size=30).map("".join))
def test_what_is_refused_is_what_another_strict_parser_refuses(text: str) -> None:
    try:
        made = parse(text.encode())
    except NodeflowError as error:
        if error.code == "NF101":
            with pytest.raises(msgspec.DecodeError):
                msgspec.json.decode(text)
    else:
        assert json.dumps(made) == json.dumps(json.loads(text))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=20,
    )
)
def test_what_json_can_say_is_read_as_it_is(data: object) -> None:
    try:
        written = json.dumps(data, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return
    assert repr(parse(written)) == repr(data)


_MANY = {
    "numbers": (b"1.0000000,", b"0"),
    "texts": (b'"aaaaaaaa",', b"0"),
    "then a NaN": (b'"aaaaaaaa",', b"NaN"),
    "then too large": (b"1e100    ,", b"1e400"),
    "then a key twice": (b'"aaaaaaaaaa",', b'{"k": 1, "k": 2}'),
    "then too deep": (b'"aaaaaaaaaa",', b"[" * 80 + b"]" * 80),
    "then half a character": (b'"\\n\\n\\n\\n\\n",', b'"\\ud800"'),
    "too many": (b"[],", b"0"),
    "opened only": (b"[", b""),
    "objects opened only": (b'{"a":', b""),
    "escapes": (b'\\"', b""),
    "digits": (b"9", b""),
    "spaces": (b" ", b""),
}


@pytest.mark.parametrize("name", _MANY)
def test_ten_megabytes_take_little_time_and_memory(name: str) -> None:
    """Measured ≤ 0.5 s; the bound here is for a machine that is busy with other things."""
    unit, end = _MANY[name]
    data = b"[" + unit * ((10_000_000 - len(end)) // len(unit)) + end + b"]"
    start = time.process_time()
    with pytest.raises(NodeflowError):
        load(data)
    assert time.process_time() - start < 3.0


def test_memory_stays_within_a_small_multiple_of_the_file() -> None:
    data = b"[" + b"[]," * 160_000 + b"0]"
    tracemalloc.start()
    try:
        parse(data)
        assert tracemalloc.get_traced_memory()[1] < 50_000_000
    finally:
        tracemalloc.stop()


def test_a_graph_in_another_form_is_told_all_at_once_by_node_and_port() -> None:
    text = """{"nodeflow": 1, "view": 3, "inputs": {"s": []}, "outputs": {"o": "x"}, "nodes": {
        "a.b": {"type": 3, "version": 0, "wires": {"x": "y"}}, "c": [], "d": {"type": "t", "wires": {"q": [""]}}}}"""
    with pytest.raises(NodeflowError) as caught:
        loads(text)
    found = {fault.where for fault in caught.value.faults}
    assert found == {"", "a.b", "a.b.x", "c", "d.q", "inputs.s", "outputs.o"}


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ('{"nodeflow": 3, "nodes": {}}', "NF106", "made with graph format 3"),
        ('{"nodes": {}}', "NF105", "this is no graph"),
        ("[]", "NF105", "this is no graph"),
        ('{"nodeflow": "1", "nodes": {}}', "NF105", "whole number"),
        ('{"nodeflow": 1}', "NF105", '"nodes" is missing'),
        ('{"nodeflow": 0, "nodes": {}}', "NF105", "whole number from 1"),
        ('{"nodeflow": true, "nodes": {}}', "NF105", "whole number from 1"),
    ],
)
def test_what_is_no_graph_of_this_format_is_refused(text: str, code: str, said: str) -> None:
    with pytest.raises(NodeflowError, match=said) as caught:
        loads(text)
    assert caught.value.code == code
