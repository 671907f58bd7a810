"""The nodes that lay noise levels, and the table of schedulers that an editor reads without torch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nodeflow import Graph, NodeflowError, SchedulerConfig
from nodeflow.diffusion import scheduler_table, schedulers
from nodeflow.diffusion.schedulers import options, usual
from nodeflow.diffusion.schedulers.config import MENUS, check_option
from nodeflow.diffusion.schedulers.scheduler import known_class
from nodeflow.diffusion.scheduling import bound
from nodeflow.graph import check, load
from nodeflow.graph.allowed import option_faults, value_fault
from nodeflow.graph.migrate import migrated
from nodeflow.packs import Library, default_library

SAVED = Path(__file__).parents[1] / "saved" / "1"
EULER, DDIM = "EulerDiscreteScheduler", "DDIMScheduler"
SD = SchedulerConfig(
    {"_class_name": "PNDMScheduler", "beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012,
     "steps_offset": 1, "skip_prk_steps": True, "set_alpha_to_one": False}
)  # fmt: skip


@pytest.fixture(scope="module")
def library() -> Library:
    return default_library()


class Told:
    """A run that keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def log(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture
def lay(library: Library):
    def call(default: Any = SD, **named: Any) -> Any:
        return library.type("schedule/steps").function(Told(), default, **named)

    return call


def test_the_table_of_schedulers_is_that_of_the_classes() -> None:
    assert options.FILE.read_text() == options.table(), "the classes have changed: run `make tables` and commit it"
    assert options.FILE == scheduler_table.FILE
    assert tuple(scheduler_table.table()) == (*schedulers.names(), *usual.names())


def test_the_menus_are_those_of_the_table(library: Library) -> None:
    spec = library.spec("schedule/steps")
    assert spec
    scheduler, chosen = spec.input("scheduler"), spec.input("options")
    assert scheduler and chosen
    assert scheduler.widget.options == ("", *schedulers.names(), *usual.names())
    assert tuple(chosen.widget.variants) == (*schedulers.names(), *usual.names())
    for name, about in scheduler_table.table().items():
        whole = chosen.widget.variant(name)
        assert whole and whole.doc == about["doc"]
        assert {field.name: field.default for field in whole.fields} == {
            key: option.get("default") for key, option in about["options"].items()
        }


@pytest.mark.parametrize("name", schedulers.names())
def test_what_the_check_allows_the_class_takes(library: Library, name: str) -> None:
    """Every default of the table, and every item of every menu, by itself."""
    spec = library.spec("schedule/steps")
    port = spec and spec.input("options")
    assert port
    cls = known_class(name)
    menus = {**MENUS, **cls.menus}
    for field in port.widget.variants[name].fields:
        assert field.doc
        for value in [*field.widget.options, *([] if field.default is None else [field.default])]:
            assert value_fault(field, value, "x") is None
            assert not list(option_faults(port, {field.name: value}, name, "x"))
            if field.name in cls.defaults:
                check_option(field.name, value, cls.defaults[field.name], menus.get(field.name), name)


def test_options_reach_the_configuration_and_the_solver(lay) -> None:
    made = lay(
        scheduler=EULER, steps=4, options={"use_karras_sigmas": True, "s_churn": 0.5, "sigma_min": None}
    ).schedule
    assert made.config["use_karras_sigmas"] is True and "s_churn" not in made.config
    assert made.solver == {"s_churn": 0.5} and bound(made).s_churn == 0.5  # type: ignore[attr-defined]
    assert made.config["beta_end"] == 0.012


def test_options_of_the_model_that_do_not_apply_are_named(library: Library) -> None:
    told = Told()
    library.type("schedule/steps").function(told, SD, EULER, steps=3)
    assert told.lines == [f"{EULER} has no set_alpha_to_one, skip_prk_steps: kept from the model, without effect"]


def test_names_lists_and_timesteps(lay) -> None:
    ays = lay(scheduler=EULER, timesteps="ays_sdxl")
    assert ays.timesteps[:3] == [999, 845, 730] and len(ays.sigmas) == 11
    assert lay(scheduler=EULER, timesteps="999, 500, 10").timesteps == [999, 500, 10]
    eleven = [14.615, 6.315, 3.771, 2.181, 1.342, 0.862, 0.555, 0.380, 0.234, 0.113, 0.0]
    by_text = lay(scheduler=EULER, sigmas=", ".join(map(str, eleven)))
    by_wire = lay(scheduler=EULER, levels=eleven)
    assert by_text == by_wire and by_wire.sigmas == pytest.approx(eleven)
    assert lay(scheduler=EULER, sigmas="simple", steps=7).schedule.request["levels"] == "simple"


def test_old_schedules_keep_their_meaning(library: Library, lay) -> None:
    old = load(SAVED / "schedule.json")
    new = migrated(old, library)
    assert not new.faults and not check(new.graph, library)
    made, plain = new.graph.nodes["schedule"], new.graph.nodes["plain"]
    assert (made.version, plain.version) == (2, 2)
    assert made.values["options"] == {"timestep_spacing": "trailing"} and "spacing" not in made.values
    assert "options" not in plain.values
    assert lay(**made.values).schedule.config["timestep_spacing"] == "trailing"


def scheduled(**values: Any) -> Graph:
    graph = Graph()
    loaded = graph.add("model/load", model="emoji")
    made = graph.add("schedule/steps", default=loaded["scheduler"], **values)
    graph.outputs["schedule"] = made["schedule"]
    return graph


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"scheduler": "EulerDiscretScheduler"}, "NF409 steps.scheduler: there is no scheduler named "
         f"'EulerDiscretScheduler'; did you mean '{EULER}'?"),
        ({"scheduler": EULER, "options": {"use_karas_sigmas": True}}, f"NF205 steps.options: {EULER} has no option "
         "'use_karas_sigmas'; did you mean 'use_karras_sigmas'?"),
        ({"options": {"use_karras_sigmas": True}}, f"NF410 steps.options: {DDIM} has no option 'use_karras_sigmas'"),
        ({"scheduler": EULER, "options": {"timestep_spacing": "leding"}}, "NF205 steps.options: timestep_spacing: "
         "'leding' is not on the menu; did you mean 'leading'? allowed: linspace, leading, trailing"),
        ({"scheduler": EULER, "options": {"prediction_type": "flow"}}, "NF205 steps.options: prediction_type: "
         "'flow' is not on the menu; allowed: epsilon, sample, v_prediction"),
        ({"sigmas": "14.6, 3, 5, 0"}, "NF410 steps.sigmas: sigmas do not fall: 3 is followed by 5; order them from "
         "noise to picture"),
        ({"sigmas": "karas"}, "NF410 steps.sigmas: 'karas' is neither a name nor a list of numbers; did you mean "
         "'karras'?"),
        ({"timesteps": "10, 20"}, "NF410 steps.timesteps: timesteps do not fall: 10 is followed by 20"),
        ({"scheduler": "FlowMatchEulerDiscreteScheduler"}, "NF410 steps.scheduler: FlowMatchEulerDiscreteScheduler "
         f"walks down a flow, and the model's {DDIM} a table of betas; choose a scheduler of the model's kind"),
        ({"scheduler": EULER, "options": {"use_karras_sigmas": True}}, ""),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_schedule_is_one_located_sentence(
    library: Library, values: dict[str, Any], line: str
) -> None:
    faults = [fault.line for fault in check(scheduled(**values), library)]
    assert [fault[: len(line) or None] for fault in faults] == ([line] if line else [])


def test_a_model_that_the_scheduler_cannot_follow_is_refused(library: Library) -> None:
    with pytest.raises(NodeflowError, match=r"NF410 scheduler: the model's prediction_type is 'sample'.*EulerAnc"):
        scheduler_table.check_fit("EulerAncestralDiscreteScheduler", {"prediction_type": "sample"}, {})
    scheduler_table.check_fit("EulerAncestralDiscreteScheduler", {"prediction_type": "sample"},
                              {"prediction_type": "epsilon"})  # fmt: skip


def test_checking_a_schedule_and_listing_its_options_cost_no_torch(tmp_path: Path) -> None:
    path = tmp_path / "graph.json"
    nodes = {"s": {"type": "schedule/steps", "version": 2, "values": {"scheduler": EULER, "options": {"nothing": 1}}}}
    path.write_text(json.dumps({"nodeflow": 1, "outputs": {"x": "s.schedule"}, "nodes": nodes}))
    code = (
        "import sys; from nodeflow.graph import check, load; from nodeflow.packs import default_library; "
        "library = default_library(); faults = check(load(sys.argv[1]), library); assert len(faults) == 1, faults; "
        "from nodeflow.cli.library import explain, explain_choice; spec = library.spec('schedule/steps'); "
        f"assert 's_churn' in explain_choice(spec, '{EULER}') and '{EULER}' in explain(spec); "
        "assert not {'torch', 'numpy', 'PIL'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)


OTHER_NOISE = ["EDMEulerScheduler", "CMStochasticIterativeScheduler", "FlowMatchEulerDiscreteScheduler",
               "IPNDMScheduler", "ScoreSdeVeScheduler", "DDPMWuerstchenScheduler"]  # fmt: skip


@pytest.mark.parametrize("scheduler", OTHER_NOISE)
def test_a_scheduler_of_another_kind_of_noise_is_refused_before_and_in_the_run(lay: Any, scheduler: str) -> None:
    with pytest.raises(
        NodeflowError, match=f"NF410 scheduler: {scheduler} walks down .*PNDMScheduler a table of betas"
    ):
        scheduler_table.check_fit(scheduler, SD.config, {})
    with pytest.raises(NodeflowError, match="NF410"):
        lay(scheduler=scheduler)


def test_exponential_integrators_walk_tables_and_flows() -> None:
    flow = {"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3.0}
    for scheduler in ("UniPCMultistepScheduler", "DPMSolverMultistepScheduler", "er_sde", "dpmpp_2m"):
        scheduler_table.check_noise(scheduler, SD.config)
        scheduler_table.check_noise(scheduler, flow)
    scheduler_table.check_noise("EDMEulerScheduler", {"_class_name": "SomebodyElses"})
    scheduler_table.check_noise("EDMEulerScheduler", {})
