"""dd_bench's knobs, as values."""

from __future__ import annotations

import pytest
from every_row import every_row

from pytest_ddperf.config.options import BY_NAME, OPTION_GROUPS
from pytest_ddperf.core.platform import PLATFORM_KEYS, Platform
from pytest_ddperf.core.service_parameters import PARAMETERS, ServiceParameters


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
    told = "black and white, rgb, scale 0.5, histogram equalisation, DLA, interpolation nearest, resized on the GPU"
    assert knobs.preparation(created=True) == told


def test_a_service_that_was_there_prepares_images_as_it_was_told() -> None:
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


@pytest.mark.parametrize(
    ("name", "request_", "backend", "read"),
    [
        ("dla", "creation", "tensorrt", True),
        ("dla", "creation", "caffe", False),
        ("gpu", "creation", "torch", True),
        ("gpu", "creation", "tensorrt", False),
        ("gpu", "prediction", "torch", False),
        ("gpuid", "prediction", "tensorrt", True),
    ],
)
def test_a_parameter_states_which_backends_read_it(name: str, request_: str, backend: str, read: bool) -> None:
    assert (backend in getattr(PARAMETERS[name], request_).backends) is read
