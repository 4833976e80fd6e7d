"""dd_bench's knobs, as values."""

from __future__ import annotations

import pytest
from every_row import every_row
from messages import assert_names

from pytest_ddperf.config.options import BY_NAME, OPTION_GROUPS
from pytest_ddperf.core.platform import PLATFORM_KEYS, Platform
from pytest_ddperf.core.service_parameters import PARAMETERS, ServiceParameters, format_option
from pytest_ddperf.errors import ConfigurationError


def test_one_service_is_for_all_batch_sizes() -> None:
    assert ServiceParameters().engine_for(8) is None


@pytest.mark.parametrize("parameters", [ServiceParameters(mllib="tensorrt"), ServiceParameters(recreate=True)])
def test_tensorrt_has_an_engine_for_each_batch_size_and_so_has_recreate(parameters: ServiceParameters) -> None:
    assert parameters.engine_for(8) == 8


def test_the_usual_preparation_has_no_words() -> None:
    assert ServiceParameters().preparation(created=True) == ""
    sizes = ServiceParameters(img_width=300, nclasses=2, max_workspace_size=64, recreate=True, delete_services=True)
    assert sizes.preparation(created=True) == ""


def test_every_other_preparation_is_named() -> None:
    knobs = ServiceParameters(
        bw=True,
        rgb=True,
        scale=0.5,
        histogram_equalization=True,
        image_interp="nearest",
        gpu_resize=True,
        dla=True,
    )
    reported = "black and white, rgb, scale 0.5, histogram equalisation, DLA, interpolation nearest, resized on the GPU"
    assert knobs.preparation(created=True) == reported


def test_a_service_that_was_there_prepares_images_as_it_was_created() -> None:
    assert ServiceParameters(rgb=True, image_interp="nearest").preparation(created=False) == "interpolation nearest"


@every_row("name", PARAMETERS)
def test_each_parameter_is_an_option_and_a_key_of_a_platform(name: str) -> None:
    option = BY_NAME[name.replace("_", "-")]
    assert option in OPTION_GROUPS[PARAMETERS[name].group]
    assert option.default == getattr(ServiceParameters(), name)
    assert name in PLATFORM_KEYS
    assert Platform("mine", "Mine").with_values({name: "x"}).value_of(name) == "x"


@pytest.mark.parametrize("request_", ["creation", "prediction"])
def test_no_two_parameters_have_one_place_in_a_request(request_: str) -> None:
    places = [(sent.section, sent.name) for one in PARAMETERS.values() if (sent := getattr(one, request_))]
    assert len(places) == len(set(places)) > 0


READ = [
    # (parameter, request, backend, whether it reads it there)
    ("dla", "creation", "tensorrt", True),
    ("dla", "creation", "caffe", False),
    ("gpu", "creation", "torch", True),
    ("gpu", "creation", "tensorrt", False),
    ("gpu", "prediction", "torch", False),
    ("gpuid", "prediction", "tensorrt", True),
    ("datatype", "creation", "ncnn", True),
    ("datatype", "prediction", "torch", True),
    ("datatype", "prediction", "tensorrt", False),
    ("concurrent_predict", "creation", "torch", True),
    ("concurrent_predict", "creation", "ncnn", False),
    ("input_blob", "creation", "ncnn", True),
    ("ncnn_threads", "creation", "torch", False),
]


def test_a_parameter_states_which_backends_read_it() -> None:
    assert [
        (name, request, backend, backend in getattr(PARAMETERS[name], request).backends)
        for name, request, backend, _ in READ
    ] == READ


IGNORED = [
    # (parameter, backend, whether the parameter has no effect)
    ("gpu", "ncnn", True),
    ("gpu", "tensorrt", False),  # which always uses one
    ("datatype", "caffe", True),
    ("datatype", "torch", False),
    ("max_workspace_size", "torch", True),
    ("scale", "onnxruntime", False),
    ("nclasses", "ncnn", False),
    ("recreate", "caffe", False),
    ("dla", "a backend of tomorrow", False),
    ("dla", "", False),
]


def test_what_a_known_backend_reads_nowhere_it_ignores() -> None:
    assert [(name, backend, PARAMETERS[name].is_ignored_by(backend)) for name, backend, _ in IGNORED] == IGNORED


def test_the_parameters_of_a_service_are_those_that_its_backend_reads() -> None:
    given = ServiceParameters(gpu=True, gpuid=1, dla=True, datatype="fp16", scale=0.5, named=frozenset({"dla"}))
    assert given.restrict_to("ncnn") == ServiceParameters(
        mllib="ncnn", datatype="fp16", scale=0.5, named=frozenset({"dla"})
    )
    assert given.restrict_to("TensorRT") == ServiceParameters(
        mllib="tensorrt", gpu=True, gpuid=1, dla=True, datatype="fp16", scale=0.5, named=frozenset({"dla"})
    )
    assert list(given.describe_ignored("caffe")) == ["dla", "datatype"]


def test_only_what_was_set_for_this_run_is_refused() -> None:
    set_in_a_file = ServiceParameters(dla=True, named=frozenset({"dla"}))
    set_in_a_file.check("caffe")
    with pytest.raises(ConfigurationError) as caught:
        ServiceParameters(dla=True, typed=frozenset({"dla"})).check("caffe")
    assert_names(caught, "--ddperf-dla", "caffe", "tensorrt")
    ServiceParameters(datatype="fp32", typed=frozenset({"datatype"})).check("caffe")  # what it does anyway


def test_a_precision_that_would_silently_be_another_one_is_refused_wherever_it_is_set() -> None:
    valid = {
        backend: [one for one in PARAMETERS["datatype"].type.choices if _is_valid(backend, one)]
        for backend in ("torch", "tensorrt", "ncnn")
    }
    assert valid == {
        "torch": ["fp32", "fp16", "fp64"],
        "tensorrt": ["fp32", "fp16", "int8"],
        "ncnn": ["fp32", "fp16"],
    }


def _is_valid(backend: str, datatype: str) -> bool:
    try:
        ServiceParameters(datatype=datatype).check(backend)
    except ConfigurationError:
        return False
    return True


SETTINGS: list[tuple[ServiceParameters, dict[str, bool], str]] = [
    (ServiceParameters(), {}, ""),
    (ServiceParameters(gpuid=1), {"gpu": True}, "GPU 1"),
    (ServiceParameters(gpuid=1), {}, ""),  # without effect
    (ServiceParameters(mllib="torch", gpuid=1), {"gpu": True, "created": False}, ""),  # that of the creation counts
    (ServiceParameters(mllib="torch", concurrent_predict=False), {}, ""),
    (ServiceParameters(mllib="torch", concurrent_predict=False), {"under_load": True}, "one prediction at a time"),
    (ServiceParameters(mllib="ncnn", input_blob="in0", ncnn_threads=2), {}, "input blob in0, 2 threads"),
    (ServiceParameters(mllib="ncnn", ncnn_threads=2), {"created": False}, ""),
]


def test_settings_that_change_the_speed_are_described() -> None:
    usual = {"created": True, "gpu": False, "under_load": False}
    assert [one.settings(**{**usual, **how}) for one, how, _ in SETTINGS] == [words for _, _, words in SETTINGS]


@pytest.mark.parametrize(
    ("name", "value", "typed"),
    [
        ("input_blob", "Data", "--ddperf-input-blob=Data"),
        ("concurrent_predict", False, "--ddperf-concurrent-predict=false"),
        ("rgb", True, "--ddperf-rgb"),
    ],
)
def test_an_option_is_shown_as_the_user_types_it(name: str, value: object, typed: str) -> None:
    assert format_option(name, value) == typed
