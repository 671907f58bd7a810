"""Laws of the prompt grammar."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeflow.diffusion.prompts import Piece, escape, parse

dialects = pytest.mark.parametrize("weighting", ["a1111", "comfy", "none"])
prompts = st.text(st.sampled_from("ab ,:.12()[]\\\n") | st.characters(codec="utf-8")) | st.lists(
    st.sampled_from(["(", ")", "[", "]", "\\", ":1.2)", ":", "BREAK", " ", "cat", ",", ":.5 )"])
).map("".join)
plain = st.text(st.characters(codec="utf-8", exclude_characters="()[]\\")).filter(lambda text: "BREAK" not in text)
weights = st.floats(0.1, 3).map(lambda weight: round(weight, 3))


def joined(prompt: str, weighting: str) -> str:
    return "".join(piece.text for section in parse(prompt, weighting) for piece in section)


@dialects
@given(prompt=prompts)
def test_no_prompt_is_refused_and_no_section_is_empty(weighting, prompt):
    sections = parse(prompt, weighting)
    assert all(sections) and sections
    for section in sections:
        assert all(a.weight != b.weight for a, b in pairwise(section))


@dialects
@given(text=plain)
def test_text_without_grammar_is_unchanged(weighting, text):
    assert parse(text, weighting) == ((Piece(text),),)


@dialects
@given(text=prompts)
def test_escaped_text_comes_back(weighting, text):
    assert parse(escape(text, weighting), weighting) == ((Piece(text),),)


@given(prompt=prompts)
def test_none_reads_nothing(prompt):
    assert parse(prompt, "none") == ((Piece(prompt),),)


@given(outer=weights, inner=weights)
def test_nested_weights_multiply_in_a1111_and_the_inner_one_holds_in_comfy(outer, inner):
    prompt = f"(a (b:{inner}) c:{outer})"
    assert dict(parse(prompt, "a1111")[0]).get("b", outer) == pytest.approx(outer * inner)
    assert [weight for text, weight in parse(prompt, "comfy")[0] if "b" in text] == [inner]


@given(depth=st.integers(0, 12))
def test_each_bracket_is_a_factor(depth):
    (round_piece,) = parse("(" * depth + "x" + ")" * depth, "a1111")[0]
    (square_piece,) = parse("[" * depth + "x" + "]" * depth, "a1111")[0]
    assert round_piece == ("x", pytest.approx(1.1**depth))
    assert square_piece.weight * round_piece.weight == pytest.approx(1)
    assert parse("(" * depth + "x" + ")" * depth, "comfy")[0] == (round_piece,)


def test_square_brackets_are_text_in_comfy():
    assert parse("a [b]", "comfy") == ((Piece("a [b]"),),)
    assert parse("a [b]", "a1111") == ((Piece("a "), Piece("b", 1 / 1.1)),)


@pytest.mark.parametrize("number", ["1.5", "1", ".5", "2.", "+1.5", "-0.5", " 1.5 "])
def test_numbers(number):
    for weighting in ("a1111", "comfy"):
        assert parse(f"(x:{number})", weighting) == ((Piece("x", float(number)),),)


@pytest.mark.parametrize("number", ["1.2.3", "x", "", "1 2", "inf", "nan"])
def test_what_is_no_number_is_text(number):
    for weighting in ("a1111", "comfy"):
        assert parse(f"(x:{number})", weighting) == ((Piece(f"x:{number}", 1.1),),)


def test_an_exponent_is_a_number_in_comfy_only():
    assert parse("(x:2e-1)", "comfy") == ((Piece("x", 0.2),),)
    assert parse("(x:2e-1)", "a1111") == ((Piece("x:2e-1", 1.1),),)


@pytest.mark.parametrize(
    ("prompt", "a1111", "comfy"),
    [
        ("a (b", (("a ", 1), ("b", 1.1)), (("a (b", 1),)),
        ("a) (b)", (("a) ", 1), ("b", 1.1)), (("a) ", 1), ("b", 1.1))),
        ("a:1.2)", (("a:1.2)", 1),), (("a:1.2)", 1),)),
        ("a] b", (("a] b", 1),), (("a] b", 1),)),
        ("[a (b] c)", (("a ", 1 / 1.1), ("b", 1), (" c", 1.1)), (("[a ", 1), ("b] c", 1.1))),
        ("((a:1.3)", (("a", 1.43),), (("(", 1), ("a", 1.3))),
    ],
)
def test_unbalanced_brackets(prompt, a1111, comfy):
    for weighting, expected in (("a1111", a1111), ("comfy", comfy)):
        (section,) = parse(prompt, weighting)
        assert [text for text, _ in section] == [text for text, _ in expected]
        assert [weight for _, weight in section] == pytest.approx([weight for _, weight in expected])


def test_break_parts_a_prompt_in_a1111_only():
    assert parse("a  BREAK\nb BREAK BREAK c", "a1111") == ((Piece("a"),), (Piece("b"),), (Piece(""),), (Piece("c"),))
    assert parse("(a BREAK b:1.2)", "a1111") == ((Piece("a", 1.2),), (Piece("b", 1.2),))
    assert parse("a BREAK b", "comfy") == ((Piece("a BREAK b"),),)
    assert parse("BREAKFAST OUTBREAK", "a1111") == ((Piece("BREAKFAST OUTBREAK"),),)


def test_backslashes():
    assert joined(r"\(a\) \[b\] c\\d e\f", "a1111") == r"(a) [b] c\d ef"
    assert joined(r"\(a\) \[b\] c\\d e\f", "comfy") == r"(a) \[b\] c\\d e\f"


@pytest.mark.timeout(60)
@dialects
@pytest.mark.parametrize("part", ["(", "()", "[a", ":1", ": ", "1", "\n ", "BREAK ", "\\"])
def test_a_hostile_prompt_does_not_hang(weighting, part):
    for prompt in (part * 20_000, f"(x:{part * 20_000}"):
        assert parse(prompt, weighting)
