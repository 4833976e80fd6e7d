"""Parameters of service creation and image preparation that dd_bench offers as options. Pure."""

from __future__ import annotations

from dataclasses import dataclass

TENSORRT = "tensorrt"


@dataclass(frozen=True, slots=True)
class ServiceParameters:
    """Parameters of services and requests, under dd_bench's names.

    Args:
        img_width: width of the networks' input, pixels; None for each network's own.
        img_height: height of the networks' input, pixels; None for each network's own.
        bw: whether images are black and white.
        rgb: whether channels are in the order red, green, blue.
        scale: factor applied to all pixel values.
        histogram_equalization: whether the histogram is equalised.
        image_interp: interpolation for resizing images; None for the server's default.
        gpu_resize: whether images are resized on the GPU.
        nclasses: number of classes of services to create; None for each network's own.
        max_workspace_size: workspace of a TensorRT engine, MiB.
        dla: whether a TensorRT engine runs on a Jetson's DLA core.
        recreate: whether services created by the run are recreated for each batch size.
        delete_services: whether services that existed before the run are also deleted at its end.
    """

    img_width: int | None = None
    img_height: int | None = None
    bw: bool = False
    rgb: bool = False
    scale: float = 1.0
    histogram_equalization: bool = False
    image_interp: str | None = None
    gpu_resize: bool = False
    nclasses: int | None = None
    max_workspace_size: int = 1024
    dla: bool = False
    recreate: bool = False
    delete_services: bool = False

    def engine_for(self, mllib: str, batch_size: int) -> int | None:
        """The batch size a service is created for; None if one service is used for all batch sizes.

        TensorRT builds an engine for one batch size; running it at another would not measure the same thing.
        """
        return batch_size if self.recreate or mllib == TENSORRT else None

    def preparation(self, *, created: bool) -> str:
        """Describe non-default image preparation; "" for the default.

        Args:
            created: whether the run created the service; an existing service uses the parameters it was created with.
        """
        of_the_service = (
            ("black and white", self.bw),
            ("rgb", self.rgb),
            (f"scale {self.scale:g}", self.scale != 1.0),
            ("histogram equalisation", self.histogram_equalization),
            ("DLA", self.dla),
        )
        of_the_request = (
            (f"interpolation {self.image_interp}", self.image_interp is not None),
            ("resized on the GPU", self.gpu_resize),
        )
        told = (*of_the_service, *of_the_request) if created else of_the_request
        return ", ".join(words for words, holds in told if holds)
