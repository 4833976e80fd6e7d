"""The known networks: the report's 13, further ones from its charts, and a small one for each task. Pure.

The figures of the report's networks are read from `baselines/networks.csv` (by `config.load_catalog`); this module
contains what must be known without reading a file.
"""

from __future__ import annotations

from dataclasses import dataclass

from pytest_ddperf.core.service_parameters import TEMPLATES
from pytest_ddperf.core.tasks import Task

MOST_PARAMETERS_FACTOR = 1.5
"""The largest factor between the parameters of a network and those that a server reports for it."""


@dataclass(frozen=True, slots=True)
class Network:
    """One network.

    Args:
        id: as in node ids and baselines.
        top1_accuracy_percent: as stated in the report; None if it is not.
        giga_flops: multiply-adds per image in 10^9, as counted in the report; None if not stated.
        million_params: parameters in 10^6; None if the report does not state them.
        giga_flops_text: the figure as printed in the report; "" if not stated.
        million_params_text: the figure as printed in the report; "" if not stated.
        top5_accuracy_percent: as stated in the report's text, for two networks only; else None.
        width: input width in pixels; None if not known, then the service's default applies.
        height: input height in pixels; None likewise.
        nclasses: number of classes, including background or the blank of a sequence. None if not specified: for a
            user's own network it may be in the network's files.
        aliases: further accepted spellings; case, hyphens, dots, underscores and spaces are ignored.
        repository: model folder of a user's own network, as the server sees it; None for built-in ones.
        path: the same folder on this machine; None if it is not on this machine.
        mllib: backend of its services; None for the platform's, or the one that reads its files.
        other_side: side in pixels of the square images that some published files of it require instead; None if all
            take its usual size.
    """

    id: str
    title: str
    top1_accuracy_percent: float | None = None
    giga_flops: float | None = None
    million_params: float | None = None
    giga_flops_text: str = ""
    million_params_text: str = ""
    top5_accuracy_percent: float | None = None
    task: Task = Task.CLASSIFICATION
    width: int | None = 224
    height: int | None = 224
    nclasses: int | None = 1000
    aliases: tuple[str, ...] = ()
    repository: str | None = None
    path: str | None = None
    mllib: str | None = None
    other_side: int | None = None

    @property
    def is_own(self) -> bool:
        """Whether it is a user's own network."""
        return self.repository is not None

    def describe_other(self, params: int | None) -> str:
        """Describe that a service probably runs another network than this one, by its number of parameters.

        Servers differ in what they count, biases for example, so that only a factor above 1.5 counts.

        Args:
            params: the number of parameters that the server reports; None if it reports none.

        Returns:
            "" if the numbers agree, or one is not known.
        """
        template = TEMPLATES.get(self.template or "")
        expected = template.params / 1e6 if self.million_params is None and template else self.million_params
        if params is None or expected is None:
            return ""
        millions = params / 1e6
        if max(millions, expected) <= MOST_PARAMETERS_FACTOR * min(millions, expected):
            return ""
        return (
            f"the server reports {millions:.4g} million parameters for {self.id}, which has {expected:.4g} "
            "million: its service holds another network"
        )

    @property
    def template(self) -> str | None:
        """Name of the template that creates this network; None if there is none."""
        return self.id if self.id in TEMPLATES and self.task is Task.CLASSIFICATION else None


REPORT_NETWORKS: tuple[Network, ...] = (
    Network("mobilenet", "MobileNet", aliases=("mobilenet_v1",)),
    Network("mobilenet_depthwise", "MobileNet depthwise", aliases=("mobilenet_v1_depthwise", "mobilenet_dw")),
    Network("resnet50", "ResNet-50", aliases=("res50",)),
    Network("resnet101", "ResNet-101", aliases=("res101",)),
    Network("resnet152", "ResNet-152", aliases=("res152",)),
    Network("googlenet", "GoogLeNet", aliases=("inception_v1",)),
    Network("densenet121", "DenseNet-121", aliases=("dense121",)),
    Network("densenet201", "DenseNet-201", aliases=("dense201",)),
    Network("squeezenet_v1.0", "SqueezeNet v1.0", aliases=("squeezenet1_0",), other_side=227),
    Network("squeezenet_v1.1", "SqueezeNet v1.1", aliases=("squeezenet1_1",), other_side=227),
    Network("vgg16", "VGG-16"),
    Network("vgg19", "VGG-19"),
    Network("shufflenet", "ShuffleNet", aliases=("shufflenet_v1",)),
)
"""The report's 13 networks, in the order of its columns, without its figures. These run by default."""

NETWORK_IDS: tuple[str, ...] = tuple(one.id for one in REPORT_NETWORKS)

UNVERSIONED = "squeezenet_unversioned"
"""The "SqueezeNet" of the report's Nano and TX2 charts, whose version is not stated. It is a network of its own: never
compared with v1.0 or v1.1, and run only if it is named."""

OTHER_NETWORKS: tuple[Network, ...] = (
    Network(UNVERSIONED, "SqueezeNet (version not stated)", other_side=227),
    Network("mobilenet_v2", "MobileNet v2"),
    Network("seresnet50", "SE-ResNet-50"),
    # 300x300 as published by DeepDetect (squeezenet_ssd_faces_ncnn_300x300, ..._voc_ncnn_300x300).
    # Classes: faces and background; the 20 objects of Pascal VOC and background.
    Network("squeezenet_ssd_faces", "SqueezeNet SSD, faces", task=Task.DETECTION, width=300, height=300, nclasses=2),
    Network("squeezenet_ssd_voc", "SqueezeNet SSD, VOC", task=Task.DETECTION, width=300, height=300, nclasses=21),
    # 600 is the number of object classes (DeepDetect's model detection_600: those of Open Images), not the input size:
    # an SSD of 300x300 takes twice the 15.5 giga multiply-adds of VGG-16, and on the Nano about twice its time; 600x600
    # would take eight times as many.
    Network("vgg16_ssd_600", "VGG-16 SSD 600", task=Task.DETECTION, width=300, height=300, nclasses=601),
    # 220x136 and 69 characters as in the OCR service of DeepDetect's own tests (tests/ut-chain.cc, multiword_ocr).
    Network("resnet18_ocr", "ResNet-18 OCR", task=Task.OCR, width=220, height=136, nclasses=69),
    Network("crnn_ocr", "CRNN OCR", task=Task.OCR, width=220, height=136, nclasses=69),
)
"""Further networks in the report's charts: run if a platform's table contains them, or if they are named."""

TASK_NETWORKS: tuple[Network, ...] = (
    Network("task_detection", "SqueezeNet SSD (embedded)", task=Task.DETECTION, width=300, height=300, nclasses=21),
    Network("task_segmentation", "Segmentation (embedded)", task=Task.SEGMENTATION, nclasses=21),
    Network("task_regression", "Regression (embedded)", task=Task.REGRESSION, nclasses=1),
    Network("task_search", "Similarity search (embedded)", task=Task.SEARCH, nclasses=512),
    Network(
        "task_roi_search", "Search by each object (embedded)", task=Task.ROI_SEARCH, width=300, height=300, nclasses=21
    ),
    Network(
        "task_multibox_search",
        "Search by all objects (embedded)",
        task=Task.MULTIBOX_SEARCH,
        width=300,
        height=300,
        nclasses=21,
    ),
    Network("task_ocr", "CRNN (embedded)", task=Task.OCR, width=128, height=32, nclasses=37),
)
"""One small network of the embedded server for each task but classification: run only if they are named."""

TEMPLATE_NETWORKS: tuple[Network, ...] = (
    Network("resnet18", "ResNet-18", aliases=("res18",)),
    Network("resnet34", "ResNet-34", aliases=("res34",)),
)
"""Networks that are in no chart of the report and have a template: run only if they are named."""
