"""The networks that there are: the report's 13, those of its pictures, and a small one for each task. Pure.

The figures of the report's networks come from `baselines/networks.csv` (`baselines.load_catalog` reads them); what has
to be known without reading a file stands here.
"""

from __future__ import annotations

from dataclasses import dataclass

from pytest_ddperf.core.tasks import Task

NETWORK_IDS: tuple[str, ...] = (
    "mobilenet",
    "mobilenet_depthwise",
    "resnet50",
    "resnet101",
    "resnet152",
    "googlenet",
    "densenet121",
    "densenet201",
    "squeezenet_v1.0",
    "squeezenet_v1.1",
    "vgg16",
    "vgg19",
    "shufflenet",
)
"""The report's 13 networks, in the order of its columns. These are what runs by default."""


@dataclass(frozen=True, slots=True)
class Network:
    """One network.

    Args:
        id: as in node ids and baselines.
        title: as a person writes it.
        top1_accuracy_percent: as the report gives it; None where it is silent.
        giga_flops: multiply-adds of one image, in 10^9, as the report counts them; None where it is silent.
        million_params: parameters in 10^6; None where the report is silent.
        giga_flops_text: the figure as the report prints it, "" where it is silent.
        million_params_text: the figure as the report prints it, "" where it is silent.
        task: what it is for.
        width: input width in pixels; None where it is not known: the service's own then.
        height: input height in pixels; None likewise.
        nclasses: how many classes it tells apart; background, or the blank of a sequence, is one. None where nobody
            says it: the files of a network of the user's own may.
        aliases: further spellings that are understood; case, hyphens, dots, underscores and spaces never matter.
        repository: model folder of a network of the user's own, as the server sees it; None for those of the report.
        path: the same folder on this machine; None where it is not here.
        mllib: backend of its services; None: the platform's, or what reads its files.
    """

    id: str
    title: str
    top1_accuracy_percent: float | None = None
    giga_flops: float | None = None
    million_params: float | None = None
    giga_flops_text: str = ""
    million_params_text: str = ""
    task: Task = Task.CLASSIFICATION
    width: int | None = 224
    height: int | None = 224
    nclasses: int | None = 1000
    aliases: tuple[str, ...] = ()
    repository: str | None = None
    path: str | None = None
    mllib: str | None = None

    @property
    def is_own(self) -> bool:
        """Whether it is one of the user's own."""
        return self.repository is not None


REPORT_NETWORKS: tuple[Network, ...] = (
    Network("mobilenet", "MobileNet", aliases=("mobilenet_v1",)),
    Network("mobilenet_depthwise", "MobileNet depthwise", aliases=("mobilenet_v1_depthwise", "mobilenet_dw")),
    Network("resnet50", "ResNet-50", aliases=("res50",)),
    Network("resnet101", "ResNet-101", aliases=("res101",)),
    Network("resnet152", "ResNet-152", aliases=("res152",)),
    Network("googlenet", "GoogLeNet", aliases=("inception_v1",)),
    Network("densenet121", "DenseNet-121", aliases=("dense121",)),
    Network("densenet201", "DenseNet-201", aliases=("dense201",)),
    Network("squeezenet_v1.0", "SqueezeNet v1.0", aliases=("squeezenet1_0",)),
    Network("squeezenet_v1.1", "SqueezeNet v1.1", aliases=("squeezenet1_1",)),
    Network("vgg16", "VGG-16"),
    Network("vgg19", "VGG-19"),
    Network("shufflenet", "ShuffleNet", aliases=("shufflenet_v1",)),
)
"""The 13 of `NETWORK_IDS`, without the report's figures."""

UNVERSIONED = "squeezenet_unversioned"
"""On the Nano and the TX2 the report shows a "SqueezeNet" and does not say which. It is a network of its own here:
never held against v1.0 or v1.1, and run only where it is named."""

OTHER_NETWORKS: tuple[Network, ...] = (
    Network(UNVERSIONED, "SqueezeNet (version not stated)"),
    Network("mobilenet_v2", "MobileNet v2"),
    Network("seresnet50", "SE-ResNet-50"),
    # 300x300: so DeepDetect publishes them (squeezenet_ssd_faces_ncnn_300x300, ..._voc_ncnn_300x300).
    # Faces and background; the 20 objects of Pascal VOC and background.
    Network("squeezenet_ssd_faces", "SqueezeNet SSD, faces", task=Task.DETECTION, width=300, height=300, nclasses=2),
    Network("squeezenet_ssd_voc", "SqueezeNet SSD, VOC", task=Task.DETECTION, width=300, height=300, nclasses=21),
    # 600 is how many objects it tells apart (DeepDetect's model detection_600: those of Open Images): an SSD of 300x300
    # takes twice the 15.5 giga multiply-adds of VGG-16, and on the Nano about twice its time; 600x600 would take eight.
    Network("vgg16_ssd_600", "VGG-16 SSD 600", task=Task.DETECTION, width=300, height=300, nclasses=601),
    # 220x136 and 69 characters: so DeepDetect's own tests create its OCR service (tests/ut-chain.cc, multiword_ocr).
    Network("resnet18_ocr", "ResNet-18 OCR", task=Task.OCR, width=220, height=136, nclasses=69),
    Network("crnn_ocr", "CRNN OCR", task=Task.OCR, width=220, height=136, nclasses=69),
)
"""What the report's pictures show besides the 13: run where a platform's table has them, or where they are named."""

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
"""One small network for each task but classification, as the embedded server has them: run where they are named."""
