"""dd_bench's knobs, as values."""

from __future__ import annotations

import pytest

from pytest_ddperf.core.service_parameters import ServiceParameters


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
