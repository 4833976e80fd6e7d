"""DeepDetect's performance report as regression tests.

The package is a pytest plugin (`pytest_ddperf.plugin`), a command (`ddperf`) and an embedded inference server.
Every pytest run on the machine loads the plugin, so importing the package is cheap: other modules are imported only
when they are used. The names in `__all__` are public; everything else may change in any version.
"""

import importlib
from typing import TYPE_CHECKING

__version__ = "0.1.0"

__all__ = ["Bench", "Clock", "Measurement", "__version__", "load_baselines", "load_history", "load_run"]

if TYPE_CHECKING:
    from pytest_ddperf.core.records import Clock, Measurement
    from pytest_ddperf.plugin.fixture import Bench
    from pytest_ddperf.report.dataframes import load_baselines, load_history, load_run
else:
    _MODULES = {
        "Bench": "plugin.fixture",
        "Clock": "core.records",
        "Measurement": "core.records",
        "load_baselines": "report.dataframes",
        "load_history": "report.dataframes",
        "load_run": "report.dataframes",
    }

    def __getattr__(name):  # noqa: ANN001, ANN202 - hidden from type checkers, which read the imports above
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)

    def __dir__():  # noqa: ANN202 - the same
        return sorted({*globals(), *__all__})
