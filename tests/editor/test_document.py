"""A document without Qt: edits, wires, text, marks, places."""

from __future__ import annotations

import json
from itertools import pairwise, permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from nodeflow.editor.after import next_seeds
from nodeflow.editor.document import Document
from nodeflow.editor.dragging import dragged, parsed
from nodeflow.editor.faces import WIDTH, face
from nodeflow.editor.journal import Entry, Journal, left_behind
from nodeflow.editor.layout import GAP, arranged, spread
from nodeflow.editor.marks import Marks, summary
from nodeflow.editor.matching import ranked, score
from nodeflow.errors import Fault, NodeflowError
from nodeflow.graph import Graph, dumps, loads
from nodeflow.graph.subgraphs import levels, reached
from nodeflow.specs import Input, Widget
from nodeflow.worker import messages as say


def test_a_wrong_wire_is_refused_with_the_reason_and_changes_nothing(document: Document):
    before = document.text
    wrong = [
        ("load.scheduler", "decode.latent"),
        ("decode.image", "denoise.positive"),
        ("denoise.latent", "latent.model"),
    ]
    reasons = document.refusals(wrong)
    assert reasons[0] == "scheduler is SchedulerConfig, latent takes Latent"
    assert reasons[2] == "that would close a circle"
    for source, target in wrong:
        with pytest.raises(NodeflowError, match=r"NF20[47]"):
            document.connect(source, target)
    assert document.text == before and document.history.labels() == ("", "")


def test_a_right_wire_replaces_what_was_there_in_one_step(document: Document):
    document.connect("denoise.estimate", "decode.latent", instead_of=("denoise.latent", "decode.latent"))
    assert document.graph.nodes["decode"].wires["latent"] == "denoise.estimate"
    assert document.undo() == "Connect"
    assert document.graph.nodes["decode"].wires["latent"] == "denoise.latent"


def test_a_new_node_is_wired_to_what_it_was_dragged_from(document: Document):
    resized = document.add("image/resize", (1, 2), source="decode.image")
    assert document.graph.nodes[resized].wires == {"image": "decode.image"}
    empty = document.add("latent/empty", (1, 2), target="denoise.latent")
    assert document.graph.nodes["denoise"].wires["latent"] == f"{empty}.latent"
    assert document.could_take("image/resize", source="decode.image")
    assert not document.could_take("latent/empty", source="decode.image")


def test_copies_are_a_graph_and_paste_under_free_names(document: Document):
    text = document.copied(["denoise", "decode"])
    assert set(json.loads(text)["nodes"]) == {"denoise", "decode"}
    names = document.paste(text, (100, 100))
    assert names == ["decode_2", "denoise_2"]
    assert document.graph.nodes["decode_2"].wires == {"latent": "denoise_2.latent"}
    assert document.graph.view["denoise_2"]["at"] == [100, 100]
    wired = document.duplicate(["decode"], keep_inputs=True)
    assert document.graph.nodes[wired[0]].wires == document.graph.nodes["decode"].wires
    document.undo(), document.undo()
    assert set(names).isdisjoint(document.graph.nodes)


def test_a_face_has_a_row_or_field_for_every_port(document: Document):
    shown = face(document, "denoise", frozenset({"latent"}))
    spec = document.spec("denoise")
    assert {spot.name for spot in shown.ports if spot.side == "in"} == {port.name for port in spec.inputs}
    assert {spot.name for spot in shown.ports if spot.side == "out"} == {port.name for port in spec.outputs}
    assert (shown.title, shown.given) == ("Denoise", "")
    assert face(document, "positive").given == "positive"
    assert {field.name for field in shown.fields} == {port.name for port in spec.inputs if not port.wired}
    for field in shown.fields:
        assert shown.field_at(120, field.y + field.height / 2) == field
    document.show("denoise", "Collapse", collapsed=True)
    assert face(document, "denoise").ports[0].wired
    folded = face(document, "denoise")
    assert folded.fields == () and folded.height < shown.height and len(folded.ports) == len(shown.ports)


def test_an_unknown_node_shows_its_wires(document: Document):
    document.graph.nodes["decode"].type = "some/thing"
    shown = face(document, "decode", frozenset({"image"}))
    assert not shown.known and {spot.name for spot in shown.ports} == {"autoencoder", "latent", "image"}


def test_nodes_are_arranged_in_the_direction_of_wires_and_do_not_overlap(document: Document):
    heights = {name: face(document, name).height for name in document.graph.nodes}
    places = arranged(document.graph, heights)
    for wire in document.graph.wires():
        assert places[wire.source][0] < places[wire.target][0]
    assert places["positive"][1] < places["negative"][1] < places["schedule"][1] < places["latent"][1]
    columns: dict[float, list[tuple[float, float]]] = {}
    for name, (x, y) in places.items():
        columns.setdefault(x, []).append((y, y + heights[name]))
    for column in columns.values():
        column.sort()
        assert all(one[1] + GAP - 20 <= other[0] for one, other in pairwise(column))


spots = st.dictionaries(st.text(max_size=3), st.tuples(st.integers(-600, 600), st.integers(-600, 600)), max_size=12)


@given(places=spots, height=st.integers(30, 400))
def test_spread_nodes_do_not_overlap_and_only_move_down(places, height):
    apart = spread(places, dict.fromkeys(places, height))
    for name, (x, y) in places.items():
        assert apart[name][0] == x and apart[name][1] >= y
    for (x, y), (other_x, other_y) in permutations(apart.values(), 2):
        assert abs(x - other_x) >= WIDTH or abs(y - other_y) >= height
    assert spread(apart, dict.fromkeys(places, height)) == apart


def test_seeds_do_after_a_run_what_their_node_says(document: Document):
    before = document.text
    next_seeds(document)
    assert document.text == before
    document.show("denoise", "Seed after each run", seeds="next")
    next_seeds(document)
    assert document.value("denoise", "seed") == 1 and document.undo() == "Next seed"
    document.show("denoise", "Seed after each run", seeds="random")
    next_seeds(document)
    assert 0 <= document.value("denoise", "seed") < 2**32 and document.value("denoise", "seed") != 1


steps = st.floats(-400, 400)


@given(start=st.integers(1, 30), pixels=steps, fine=st.booleans(), snap=st.booleans())
def test_a_dragged_number_stays_in_its_range_and_type(start, pixels, fine, snap):
    real = Input("x", "float", widget=Widget("range", low=1, high=30, step=0.5))
    value = dragged(real, start, pixels, fine=fine, snap=snap)
    assert 1 <= value <= 30 and isinstance(value, float)
    if not fine:
        assert (value - 1) % 0.5 == pytest.approx(0, abs=1e-6)
    whole = Input("n", "int", widget=Widget("range", low=1, high=30))
    assert isinstance(dragged(whole, start, pixels, fine=fine, snap=snap), int)
    assert dragged(whole, start, 0) == start


def test_fine_is_slower(document: Document):
    port = document.ports("denoise").inputs["guidance"]
    assert 7.0 < dragged(port, 7.0, 60, fine=True) < dragged(port, 7.0, 60)


def test_typed_numbers_may_be_arithmetic_and_nothing_else(document: Document):
    width = document.ports("latent").inputs["width"]
    assert parsed(width, "512*1.5") == 768 and parsed(width, "(64 + 64) px") == 128
    assert parsed(width, "1e9") == 16384
    for text in ("", "__import__('os')", "9**9**9", "width", "1/0", "(" * 90):
        assert parsed(width, text) is None


def test_search_puts_beginnings_first_and_forgives_gaps():
    names = ["Decode latent", "Denoise", "Empty latent", "Load image"]
    assert ranked("la", names, lambda name: [name])[0] in ("Decode latent", "Empty latent")
    assert ranked("den", names, lambda name: [name])[0] == "Denoise"
    assert ranked("ldim", names, lambda name: [name]) == ["Load image"]
    assert ranked("latent empty", names, lambda name: [name])[0] == "Empty latent"
    assert score("xyz", "Denoise") == 0


def test_marks_follow_a_run():
    marks = Marks()
    marks.begin("j")
    picture = say.Picture(b"x", 8, 8)
    for message in (
        say.NodeStarted("j", "a"),
        say.Progress("j", "a", 3, 10, picture),
        say.Progress("other", "a", 9, 10, None),
    ):
        marks.told(message)
    mark = marks.of("a")
    assert (mark.state, mark.step, mark.picture, mark.final) == ("running", (3, 10), picture, False)
    assert mark.words.startswith("3/10")
    assert marks.told(say.NodeFinished("j", "a", 2.0)) == {"a"} and mark.words == "2.0 s"
    marks.told(say.NodeFailed("j", "b", Fault("NF501", "no", "b")))
    assert marks.of("b").state == "failed"
    seen = say.Seen(1, (), (say.NodeState("a", "run", "", "seed 0 → 1"), say.NodeState("c", "cached")))
    marks.seen(seen)
    assert summary(seen, marks) == "1 of 2 nodes will run, about 2.0 s" and "seed 0 → 1" in mark.tip


def test_a_journal_is_found_when_its_process_is_gone(tmp_path, document: Document):
    journal = Journal(tmp_path)
    assert journal.write(document.text, "x.json") == "" and left_behind(tmp_path) == []
    import msgspec

    (file,) = tmp_path.glob("*.json")
    gone = Entry(document.text, "x.json", 2**22 + 1, 1.0)
    file.write_bytes(msgspec.json.encode(gone))
    (found,) = left_behind(tmp_path)
    assert loads(found.entry.text) == document.graph and found.title == "x.json"
    found.discard()
    assert left_behind(tmp_path) == []


class Edits(RuleBasedStateMachine):
    """After any edits, undoing all gives the text of the beginning, and redoing all gives the text of the end."""

    library = None

    def __init__(self) -> None:
        super().__init__()
        self.document = Document(Graph(), self.library)
        self.start = self.document.text

    def _names(self) -> list[str]:
        return list(self.document.graph.nodes)

    @rule(kind=st.sampled_from(["latent/empty", "image/resize", "value/integer", "logic/reroute", "image/batch"]))
    def add(self, kind: str) -> None:
        self.document.add(kind, (0, 0))

    @precondition(lambda self: self.document.graph.nodes)
    @rule(data=st.data())
    def wire(self, data: st.DataObject) -> None:
        source, target = (data.draw(st.sampled_from(self._names())) for _ in range(2))
        outs, ins = self.document.ports(source).outputs, self.document.ports(target).inputs
        if outs and ins:
            pair = (
                f"{source}.{data.draw(st.sampled_from(list(outs)))}",
                f"{target}.{data.draw(st.sampled_from(list(ins)))}",
            )
            if not self.document.refusals([pair])[0]:
                self.document.connect(*pair)

    @precondition(lambda self: self.document.graph.nodes)
    @rule(data=st.data())
    def change(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(self._names()))
        match data.draw(st.integers(0, 5)):
            case 0:
                self.document.remove([name])
            case 1:
                self.document.duplicate([name], keep_inputs=data.draw(st.booleans()))
            case 2:
                self.document.paste(self.document.copied(self._names()))
            case 3:
                self.document.bypass([name])
            case 4:
                self.document.place({name: (data.draw(st.integers(-99, 99)), 5)}, merge=data.draw(st.booleans()))
            case 5:
                self.document.rename(name, f"n{len(self.document.text)}_{data.draw(st.integers(0, 10**6))}")

    @precondition(lambda self: self.document.graph.nodes)
    @rule(data=st.data())
    def shape(self, data: st.DataObject) -> None:
        document, name = self.document, data.draw(st.sampled_from(self._names()))
        side = data.draw(st.sampled_from(["inputs", "outputs"]))
        exposed = list(getattr(document.graph, side))
        wires = [(f"{w.source}.{w.output}", f"{w.target}.{w.input}") for w in document.graph.wires()]
        match data.draw(st.integers(0, 8)):
            case 0 | 1:
                document.group(data.draw(st.lists(st.sampled_from(self._names()), min_size=1, unique=True)))
            case 2 if document.is_subgraph(name) and not document.graph.nodes[name].bypass:
                document.ungroup([name])
            case 3 if document.is_subgraph(name):
                document.make_own(name)
            case 4:
                document.mute([name])
            case 5 if document.ports(name):
                ports = getattr(document.ports(name), side)
                if ports:
                    document.promote(side, f"{name}.{data.draw(st.sampled_from(list(ports)))}")
            case 6 if exposed:
                document.take_back(side, data.draw(st.sampled_from(exposed)))
            case 7 if exposed:
                document.rename_port(side, data.draw(st.sampled_from(exposed)), f"p{len(document.text)}")
            case 8 if wires:
                document.put_dot(*data.draw(st.sampled_from(wires)), (1, 2))

    @rule(data=st.data())
    def go(self, data: st.DataObject) -> None:
        inside = [name for name in self._names() if self.document.is_subgraph(name)]
        if inside and data.draw(st.booleans()):
            self.document.enter(data.draw(st.sampled_from(inside)))
        else:
            self.document.leave()

    @invariant()
    def a_file_holds_it_and_every_panel_can_be_shown(self) -> None:
        assert loads(self.document.text) == self.document.root
        used = {name for _, level in levels(self.document.root) for name in reached(self.document.root, level)}
        assert used <= self.document.root.graphs.keys()
        for name in (*self._names(), *self.document.panels()):
            face(self.document, name)

    @rule()
    def back_and_forth(self) -> None:
        end, count = self.document.text, 0
        while self.document.undo():
            count += 1
        assert self.document.text == self.start
        for _ in range(count):
            assert self.document.redo()
        assert self.document.text == end == dumps(self.document.root)


def test_all_can_be_undone_and_done_again(library):
    Edits.library = library
    run_state_machine_as_test(Edits)


def test_an_estimate_counts_steps_and_says_where_it_does_not_know(document: Document):
    from nodeflow.editor.estimating import steps_for

    library = document.library.base
    assert steps_for(document.root, library, "denoise") == 20 and steps_for(document.root, library, "positive") == 0
    inner = document.group(["denoise", "schedule"], "Sampler")
    assert steps_for(document.root, library, f"{inner} / denoise") == 20
    document.set_value(inner, "steps", 40)
    assert steps_for(document.root, library, f"{inner} / denoise") == 40
    marks = Marks()
    marks.begin("j")
    marks.told(say.NodeStarted("j", "a"))
    marks.told(say.NodeFinished("j", "a", 4.0))
    marks.of("a").steps, marks.of("a").coming = 20, 50
    seen = say.Seen(1, (), (say.NodeState("a", "run"), say.NodeState("b", "cached")))
    assert summary(seen, marks) == "1 of 2 nodes will run, about 10.0 s"
    seen = say.Seen(1, (), (say.NodeState("a", "run"), say.NodeState("b", "run")))
    assert summary(seen, marks) == "2 of 2 nodes will run, more than 10.0 s"


def test_what_is_known_of_a_run_follows_names_groups_and_undo(document: Document):
    from nodeflow.editor.moving import Moving

    marks = Marks()
    document.listeners.append(Moving(document, marks))
    for name in ("denoise", "decode", "positive"):
        marks.of(name).picture = say.Picture(name.encode(), 8, 8)
        marks.of(name).seconds = 2.0
    document.set_value("denoise", "guidance", 4.5)
    document.rename("denoise", "sampler")
    assert marks.of("sampler").picture.data == b"denoise"
    group = document.group(["sampler", "schedule", "decode"], "All")
    assert marks.of(f"{group} / decode").picture.data == b"decode" and marks.of(f"{group} / sampler").seconds == 2.0
    assert marks.of(group).picture is not None and marks.of(group).seconds == 4.0
    marks.of(f"{group} / decode").picture = say.Picture(b"new", 8, 8)
    document.undo()
    assert marks.of("decode").picture.data == b"new"
    document.undo()
    assert marks.of("denoise").picture.data == b"denoise" and marks.of("positive").seconds == 2.0


@given(
    st.lists(st.tuples(*[st.integers(-400, 400)] * 2, *[st.integers(20, 300)] * 2), max_size=6),
    st.tuples(st.integers(-300, 300), st.integers(-300, 300)),
)
def test_a_group_stands_over_nothing_and_stays_where_nothing_is(taken, at):
    from nodeflow.editor.layout import clear_of

    x, y = clear_of(at, (240, 150), taken)
    assert all(x + 240 <= left or left + w <= x or y + 150 <= top or top + h <= y for left, top, w, h in taken)
    assert taken or (x, y) == at
