"""dd_bench's knobs: how services are created and images prepared, where that is not the usual. Pure."""

from __future__ import annotations

from dataclasses import dataclass

TENSORRT = "tensorrt"


@dataclass(frozen=True, slots=True)
class ServiceParameters:
    """What may be turned, under dd_bench's names.

    Args:
        img_width: of the networks' input, pixels; None for each network's own.
        img_height: likewise.
        bw: images are black and white.
        rgb: channels in the order red, green, blue.
        scale: factor of all values.
        histogram_equalization: whether the histogram is equalised.
        image_interp: how images are resized; None leaves it to the server.
        gpu_resize: whether they are resized on the GPU.
        nclasses: of services to create; None for each network's own.
        max_workspace_size: of a TensorRT engine, MiB.
        dla: whether it runs on a Jetson's DLA core.
        recreate: whether a service of ours is created anew for each batch size.
        delete_services: whether services that were there are deleted at the end, too.
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
        """The batch size that a service is created for; None where one service is for all.

        TensorRT builds an engine for one batch size: run at another one, it is another measurement.
        """
        return batch_size if self.recreate or mllib == TENSORRT else None

    def preparation(self, *, created: bool) -> str:
        """How images are prepared in another way than usual, in words; "" where they are not.

        Args:
            created: whether we created the service: one that was there prepares them as it was told.
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
